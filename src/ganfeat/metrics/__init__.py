"""Metrics: one file is one metric. Each looks at an artefact, none knows a method."""
