"""Public data sets for measuring a router, each in the same form: see `load_set`.

The data is not shipped: it is read from a folder that the user names, with one folder per data set
in it, files of JSON lines, gzipped or not. benchmarks/README.md says where each comes from.
"""

from __future__ import annotations

from .loading import SETS as SETS
from .loading import load_set as load_set
from .routing_set import Labelled as Labelled
from .routing_set import RoutingSet as RoutingSet
from .routing_set import Shots as Shots
from .routing_set import with_examples as with_examples
