"""Whether the tags of a page nest, and what it refers to."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks that tags nest, and collects what a page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.references, self.tags, self.bad = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for key, value in attrs if key in ("src", "href", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(tag)


def parsed(text):
    page = Page()
    page.feed(text)
    page.close()
    return page
