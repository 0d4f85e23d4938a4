import math

from memrnn.reports import format_value
from memrnn.runtime import formats
from memrnn.tasks import Metric


def test_one_and_zero_are_only_written_when_exact():
    assert [formats.share(x) for x in (1.0, 0.99999, 0.0, 1e-6, 0.9744, None)] == [
        "1.000", "0.999", "0.000", "0.001", "0.974", "–",
    ]  # fmt: skip


def test_normalised_values_and_perplexities_stay_short():
    assert [formats.normalised(x) for x in (1.0, -0.001, -2.333, -18.22, -350.2, None)] == [
        "1.00", "0.00", "-2.33", "-18.2", "-350", "–",
    ]  # fmt: skip
    assert [formats.decimal(x) for x in (1.0434, 512.34, 1.2e7, None, math.inf)] == [
        "1.043", "512.3", "1.2e+07", "–", "inf",
    ]  # fmt: skip


def test_any_metric_is_written_and_what_is_not_a_number_is_missing():
    error, perplexity = Metric("error", "min"), Metric("perplexity", "min", "exp")
    assert [format_value(x, error) for x in (0.25, -1.5, 123.45, 2.5e6, math.inf, math.nan)] == [
        "0.250", "-1.500", "123.5", "2.5e+06", "inf", "–",
    ]  # fmt: skip
    assert [format_value(x, perplexity) for x in (0.25, 1.5, math.nan, None)] == [
        "0.250", "1.500", "–", "–",
    ]  # fmt: skip
    for write in (formats.share, formats.normalised, formats.signed, formats.decimal):
        assert write(math.nan) == write(None) == formats.MISSING


def test_lists_read_as_sentences():
    assert formats.listed([]) == ""
    assert formats.listed(["a"]) == "a"
    assert formats.listed(["a", "b", "c"], "or") == "a, b or c"
    assert (formats.counted([3, 3]), formats.counted([10, 3])) == ("3", "3–10")
