"""Measurements against a floor in the same run: absolute times drift, ratios last."""
