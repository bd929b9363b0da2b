"""How data are held against a theorem, one file per way of judging.

Everything is in units where utilities span [0, 1]. `theory.check.check` has made sure that the
theorem speaks about the data; each function here returns the verdict.
"""
