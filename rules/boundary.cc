#include "rules/boundary.h"

#include <algorithm>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <cmath>

namespace holdfast::rules {
namespace {

constexpr double smallest_tail = 1e-100;  // z = 21: beyond it Student's quantile overflows

}  // namespace

double mixture_boundary(double standard_error, double prior_scale, double alpha) {
    const double r = std::pow(prior_scale / standard_error, 2);
    return std::sqrt((1 + 1 / r) * (2 * std::log(1 / alpha) + std::log1p(r)));
}

double student_for_normal(double z, double freedom) {
    // Doubles throughout: long double costs several times as much and decides nothing here.
    using namespace boost::math::policies;
    using Doubles = policy<promote_double<false>, overflow_error<ignore_error>>;
    const boost::math::normal_distribution<double, Doubles> normal;
    const boost::math::students_t_distribution<double, Doubles> student{freedom};
    const double tail = std::max(cdf(complement(normal, z)), smallest_tail);
    return std::max(z, quantile(complement(student, tail)));
}

}  // namespace holdfast::rules
