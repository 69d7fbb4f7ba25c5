"""How small a difference an evaluation could have seen."""

from __future__ import annotations

from statistics import NormalDist


def minimum_detectable(standard_error: float, level: float = 0.05, power: float = 0.8) -> float:
    """The least true difference that such an evaluation finds this often.

    (z(1 - level / 2) + z(power)) * standard error, 2.80 standard errors by default: the normal
    approximation of a two-sided test. The standard error is that of the paired difference, the
    spread of its bootstrap over videos; with one item for each of n videos it is the standard
    deviation of their differences over sqrt(n).

    Args:
        standard_error: of the difference.
        level: chance of a find where there is nothing.
        power: chance of a find where the difference is as large as this.

    >>> round(minimum_detectable(0.01), 4)
    0.028
    """
    normal = NormalDist()
    return (normal.inv_cdf(1 - level / 2) + normal.inv_cdf(power)) * standard_error
