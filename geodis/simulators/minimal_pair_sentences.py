"""Sentences in pairs that differ in one respect: tense, politeness, singular and plural."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geodis.actions.minimal_pairs import MinimalPairs
from geodis.simulators.sentences import NEGATION_SUBJECTS, Sentences

Pair = tuple[str, str]

PEOPLE = (*NEGATION_SUBJECTS, "surgeon", "cook", "tourist", "soldier", "chemist", "actor")
# Regular and irregular verbs, one and two of them, in main and subordinate clauses. Templates are many, because what
# holds in all of a few templates need not hold in others.
TENSE_TEMPLATES = (
    ("The {subject} walks to the station every morning.", "The {subject} walked to the station every morning."),
    ("The {subject} writes long letters to an old friend.", "The {subject} wrote long letters to an old friend."),
    ("Nobody believes what the {subject} says.", "Nobody believed what the {subject} said."),
    ("My sister knows the {subject} very well.", "My sister knew the {subject} very well."),
    ("The {subject} lives in a small house by the river.", "The {subject} lived in a small house by the river."),
    ("We often meet the {subject} at the market.", "We often met the {subject} at the market."),
    ("The {subject} is tired of waiting for an answer.", "The {subject} was tired of waiting for an answer."),
    ("Everyone laughs when the {subject} tells this story.", "Everyone laughed when the {subject} told this story."),
    ("The {subject} keeps the money in a wooden box.", "The {subject} kept the money in a wooden box."),
    ("I think that the {subject} needs some help.", "I thought that the {subject} needed some help."),
    (
        "Neighbors call the {subject} when the roof leaks.",
        "Neighbors called the {subject} when the roof leaked.",
    ),
    ("It depends on the {subject}, who never answers.", "It depended on the {subject}, who never answered."),
    ("Whenever it rains, the {subject} stays at home.", "Whenever it rained, the {subject} stayed at home."),
    ("The {subject} drinks too much coffee.", "The {subject} drank too much coffee."),
    ("His parents are proud of the {subject}.", "His parents were proud of the {subject}."),
    ("The {subject} and a friend own a boat.", "The {subject} and a friend owned a boat."),
    ("There is a letter for the {subject} on the desk.", "There was a letter for the {subject} on the desk."),
    ("The {subject} teaches us how to swim.", "The {subject} taught us how to swim."),
)

# Things that can be brought, sent, shown and bought.
THINGS = (
    "key", "map", "ticket", "letter", "menu", "report", "ladder", "hammer", "umbrella", "lamp", "camera", "suitcase",
    "blanket", "notebook", "bicycle", "clock", "coat", "violin", "mirror", "contract", "dictionary", "telescope",
    "basket", "guitar", "laptop", "printer", "parcel", "photograph", "painting", "vase", "carpet", "radio", "wallet",
    "helmet", "kettle", "chair",
)  # fmt: skip
# Hardly two are made polite by the same words: what they share is the politeness.
POLITENESS_TEMPLATES = (
    ("Give me the {subject}.", "Could you please give me the {subject}?"),
    ("Tell me where the {subject} is.", "Would you mind telling me where the {subject} is?"),
    ("I want to see the {subject}.", "I would like to see the {subject}, if I may."),
    ("Bring the {subject} here now.", "Would you be so kind as to bring the {subject} here now?"),
    ("Leave the {subject} on the table.", "Kindly leave the {subject} on the table."),
    ("Do not touch the {subject}.", "I would be grateful if you did not touch the {subject}."),
    ("What does the {subject} cost?", "Excuse me, may I ask what the {subject} costs?"),
    ("Send the {subject} back to me.", "I would appreciate it if you could send the {subject} back to me."),
    ("Wait until the {subject} arrives.", "I am afraid I have to ask you to wait until the {subject} arrives."),
    ("Who took the {subject}?", "Might I ask who took the {subject}?"),
    ("Pay for the {subject} first.", "We kindly ask you to pay for the {subject} first."),
    ("You are wrong about the {subject}.", "With all due respect, I believe you are mistaken about the {subject}."),
    ("Lend me the {subject} until Sunday.", "Is there any chance that you could lend me the {subject} until Sunday?"),
    ("I need the {subject} today.", "If it is not too much trouble, I need the {subject} today."),
    ("Let me look at the {subject}.", "Would you be willing to let me look at the {subject}?"),
    ("Put the {subject} away.", "Please be so good as to put the {subject} away."),
    ("You forgot the {subject}.", "I am sorry to mention it, but you forgot the {subject}."),
    ("Where did you buy the {subject}?", "I wonder if I could ask where you bought the {subject}."),
)

# Every way in which English makes a plural: -s, -es, -ies, -ves, a changed vowel, -en.
PLURALS = (
    ("dog", "dogs"), ("horse", "horses"), ("rabbit", "rabbits"), ("tiger", "tigers"), ("camel", "camels"),
    ("monkey", "monkeys"), ("donkey", "donkeys"), ("elephant", "elephants"), ("bear", "bears"), ("snake", "snakes"),
    ("farmer", "farmers"), ("tourist", "tourists"), ("student", "students"), ("singer", "singers"), ("boy", "boys"),
    ("girl", "girls"), ("nurse", "nurses"), ("pilot", "pilots"), ("fox", "foxes"), ("ostrich", "ostriches"),
    ("waitress", "waitresses"), ("witch", "witches"), ("puppy", "puppies"), ("lady", "ladies"), ("spy", "spies"),
    ("butterfly", "butterflies"), ("wolf", "wolves"), ("calf", "calves"), ("thief", "thieves"), ("man", "men"),
    ("woman", "women"), ("policeman", "policemen"), ("child", "children"), ("mouse", "mice"), ("goose", "geese"),
    ("ox", "oxen"),
)  # fmt: skip
PLURAL_TEMPLATES = (
    ("The {subject} was standing near the fence.", "The {subject} were standing near the fence."),
    ("We saw the {subject} cross the road.", "We saw the {subject} cross the road."),
    ("Somebody has to look after the {subject}.", "Somebody has to look after the {subject}."),
    ("The {subject} sleeps in the shade at noon.", "The {subject} sleep in the shade at noon."),
    ("That {subject} is afraid of the storm.", "Those {subject} are afraid of the storm."),
    ("Her drawing of the {subject} hangs in the hall.", "Her drawing of the {subject} hangs in the hall."),
    ("This {subject} comes from a village in the hills.", "These {subject} come from a village in the hills."),
    ("The noise has frightened the {subject}.", "The noise has frightened the {subject}."),
    ("The {subject} has not eaten since yesterday.", "The {subject} have not eaten since yesterday."),
    ("The story is about the {subject} in the garden.", "The story is about the {subject} in the garden."),
    ("Does the {subject} still come here?", "Do the {subject} still come here?"),
    ("The {subject} hides behind the barn.", "The {subject} hide behind the barn."),
    ("He took a photograph of the {subject} by the lake.", "He took a photograph of the {subject} by the lake."),
    ("The {subject} on the left looks tired.", "The {subject} on the left look tired."),
    ("They followed the {subject} into the forest.", "They followed the {subject} into the forest."),
    ("When the {subject} arrives, the gate is opened.", "When the {subject} arrive, the gate is opened."),
    ("The hunter was looking for the {subject}.", "The hunter was looking for the {subject}."),
    ("The {subject} does not like the cold.", "The {subject} do not like the cold."),
)


def tense_sentences() -> Sentences[MinimalPairs]:
    """36 people × 18 templates that Z₂ moves from the present to the past: 648 pairs, the present first.

    Examples
    --------
    >>> pairs = tense_sentences()
    >>> pairs.action.act([1.0], pairs.texts[1:2])
    ['The doctor wrote long letters to an old friend.']
    """
    return paired([(person, person) for person in PEOPLE], TENSE_TEMPLATES)


def politeness_sentences() -> Sentences[MinimalPairs]:
    """36 things × 18 templates that Z₂ makes polite, each in other words: 648 pairs, the plain request first.

    Examples
    --------
    >>> pairs = politeness_sentences()
    >>> pairs.action.act([1.0], pairs.texts[:1])
    ['Could you please give me the key?']
    """
    return paired([(thing, thing) for thing in THINGS], POLITENESS_TEMPLATES)


def plural_sentences() -> Sentences[MinimalPairs]:
    """36 nouns × 18 templates that Z₂ moves from one to many, verbs and pronouns with them: 648 pairs, singular first.

    Examples
    --------
    >>> pairs = plural_sentences()
    >>> pairs.action.act([1.0], pairs.texts[4:5])
    ['Those dogs are afraid of the storm.']
    """
    return paired(PLURALS, PLURAL_TEMPLATES)


def paired(subjects: Sequence[Pair], templates: Sequence[Pair]) -> Sentences[MinimalPairs]:
    """Subjects crossed with templates, each given on both sides; a subject is named by its first side."""
    table = [
        (first.replace("{subject}", one), second.replace("{subject}", other))
        for one, other in subjects
        for first, second in templates
    ]
    action = MinimalPairs(table)
    owners = np.repeat(np.array([one for one, _ in subjects]), len(templates))
    return Sentences(action.firsts, owners, np.tile(np.array([first for first, _ in templates]), len(subjects)), action)
