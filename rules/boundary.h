#pragma once

namespace holdfast::rules {

/// Half-width, in units of the standard error, of a confidence sequence for a mean at error level
/// `alpha` per side that is valid at every moment at once (Robbins 1970; Howard, Ramdas, McAuliffe,
/// Sekhon 2021, normal mixture): with r = (prior_scale / standard_error)²,
///
///     z = sqrt((1 + 1/r) · (2 log(1/alpha) + log(1 + r)))
///
/// `prior_scale` is the size of effect that matters, fixed beforehand: the sequence is narrowest
/// where the standard error is near it, and valid for any. All arguments > 0, alpha < 1.
double mixture_boundary(double standard_error, double prior_scale, double alpha);

/// The quantile of Student's t that has the tail of a normal `z`: the price of a variance that was
/// itself estimated with `freedom` degrees of freedom. z >= 0, freedom >= 1.
double student_for_normal(double z, double freedom);

}  // namespace holdfast::rules
