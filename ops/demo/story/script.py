"""The story: two customers, a hotel and a bookshop, and whatever may happen to their money."""

from __future__ import annotations

from typing import Final

from ops.demo.story.first_half import FIRST_HALF
from ops.demo.story.second_half import SECOND_HALF
from ops.demo.story.steps import Step

STORY: Final[tuple[Step, ...]] = (*FIRST_HALF, *SECOND_HALF)
