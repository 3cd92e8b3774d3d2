"""Learn a model's run-to-run noise (A/A runs), and store it with the baseline that later runs are held against."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pytest_llm.baselines.comparability import aligned
from pytest_llm.baselines.shelf import Shelf
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.regression import too_noisy
from pytest_llm.statistics.repeats import Noise
from pytest_llm.tolerance import Tolerance
from pytest_llm.wording import number


def calibrated(m: Measurement, path: Path, tolerance: Tolerance, shelf: Shelf) -> str:
    """Ask the model `shelf.calibrate` times more, store the noise with a baseline, and say what it means for the tolerance.

    The value that was measured first is none of the runs: it may have been remembered.

    Raises:
        MisuseError: a run gave a value that is not finite.
    """
    if m.again is None:
        return "not calibrated: outputs were given, and there is no model to be asked again"
    if m.left_out:
        return "not calibrated: a part of the data has another noise than all of it; leave out --llm-limit"
    runs = shelf.calibrate
    noise = Noise(tuple(m.again().value for _ in range(runs)))
    baseline = replace(shelf.read(path), noise=noise)
    shelf.write(path, baseline)
    spread = noise.deviation()
    if spread == 0:
        return f"calibrated: {runs} runs gave the same value"
    comparison = Comparison(m, "its baseline", aligned(baseline, m), noise=noise)
    reach = comparison.worded(noise.reach(tolerance.alpha, m.scale))
    enough = f": two of an unchanged model differ by {reach} or less, which {tolerance.amount} is above"
    return f"calibrated: {runs} runs, standard deviation {number(spread)}{too_noisy(comparison, tolerance) or enough}"
