#pragma once
#include <optional>
#include <span>
#include <vector>

#include "rules/judging/numerics.h"

namespace holdfast::rules {

/// The common traffic of a machine: the median of its standardised load signals that follow their
/// first principal component, so that one broken traffic signal does not move it. With fewer than
/// three: the one that varies most.
class LoadFactor {
public:
    /// `load` holds one series per load signal, on a scale on which effects add. Nothing when none
    /// of them varies (by 2 % at least) or they have nothing in common.
    static std::optional<LoadFactor> learn(const std::vector<Values>& load);

    /// The factor of one moment from the values of all load signals; NaN when they are missing.
    double at(std::span<const double> load) const;
    std::size_t members() const { return members_.size(); }
    /// Of the load signals, the one that stands for all: the member that varies most.
    std::size_t speaker() const;
    /// What one unit of the factor is worth on the signals' own scale: the median member's.
    double unit() const;
    /// The factor over the whole history.
    Values over(const std::vector<Values>& load) const;

private:
    struct Member {
        std::size_t signal;
        double middle;
        double deviation;
        double sign;
    };
    double clipped(std::span<const double> load, double limit) const;

    std::vector<Member> members_;
};

}  // namespace holdfast::rules
