"""Spreadsheet formulas: arithmetic, references, ranges and the common functions.

Libraries that evaluate spreadsheet formulas (`formulas`, `pycel`) compile whole workbooks with numpy and networkx; a
server that starts in milliseconds and recalculates a few cells needs neither, so this is a small evaluator of its own.
A function that is not here keeps its text and shows `#NAME?`, as an unknown function does at Google's.
"""
