"""One module per question that a report or a screen asks: frames and metrics in, a small typed answer out.

`ask()` in question.py turns parameters as people write them into a `Question`; each other module has one
public function `answer(question)` that gives a frozen dataclass: frames ready for a chart or a table, claims
in prose (Markdown, computed from the data), a `Footer`, and `results`, the key figures as plain JSON.
"""
