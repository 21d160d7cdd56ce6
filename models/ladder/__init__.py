"""Ladders: models from the cheapest to the dearest, of which the next is asked where it pays."""

from __future__ import annotations

from .ladder import Ladder as Ladder
from .ladder import Reader as Reader
from .predictor import Predictor as Predictor
from .rule import Rule as Rule
