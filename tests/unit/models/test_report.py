"""The page of an evaluation."""

from __future__ import annotations

import numpy as np

from models import metrics
from models.report import render_page


def test_the_page_shows_every_figure_and_escapes_every_text() -> None:
    # Given labels of a file that holds markup
    truth, predicted = ["<b>A&B</b>", "TRAVEL"], ["TRAVEL", "TRAVEL"]
    figures = metrics.summarize_rows(
        truth, predicted, np.array([0.9, 0.8]), np.array([False, True])
    )
    # When the page is rendered
    page = render_page(figures)
    # Then the figures stand in it, and the label is text
    assert "Evaluation of 2 rows" in page
    assert "<td>accuracy</td><td>0.500</td>" in page
    assert "<td>TRAVEL</td><td>1</td><td>0.500</td><td>1.000</td><td>0.667</td>" in page
    assert "<td>&lt;b&gt;A&amp;B&lt;/b&gt;</td>" in page
    assert "<b>" not in page
