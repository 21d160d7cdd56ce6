"""The reasoning router: a model judges a shortlist."""
