"""The refiner: one answer of several, checked against them, so that none is lost or made up."""
