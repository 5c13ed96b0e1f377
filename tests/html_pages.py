"""Whether the tags of a page nest, and what it refers to."""

from html.parser import HTMLParser

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Checks that tags nest, and collects what a page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.references, self.tags, self.bad, self.ids, self.alts = [], [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.references += [value for key, value in attrs if key in ("src", "href", "action", "data")]
        self.ids += [value for key, value in attrs if key == "id"]
        if tag == "img":
            self.alts.append(dict(attrs).get("alt", ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(tag)

    @property
    def contained(self):
        """Whether every reference is a picture inside the page or one of its own parts."""
        own = {f"#{name}" for name in self.ids}
        return all(r in own or r.startswith("data:image/png;base64,") for r in self.references)


def parsed(text):
    page = Page()
    page.feed(text)
    page.close()
    return page
