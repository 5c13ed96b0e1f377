"""How a group moves data."""

from geodis.actions.action import AbstractAction as AbstractAction
from geodis.actions.text import SlotAction as SlotAction
from geodis.actions.text import SlotText as SlotText
from geodis.actions.text import slot_texts as slot_texts
