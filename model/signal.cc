#include "model/signal.h"

#include <algorithm>
#include <cmath>

namespace holdfast {

std::string to_string(const SignalId& id) {
    return to_string(Series{id.name, id.labels, SeriesType::gauge});
}

double Allowance::at(double level) const {
    return std::max(relative * std::abs(level), absolute);
}

bool matches(const std::string& name, const Labels& labels, const SignalId& signal) {
    return name == signal.name &&
           std::all_of(labels.begin(), labels.end(), [&](const auto& wanted) {
               const auto found = signal.labels.find(wanted.first);
               return found != signal.labels.end() && found->second == wanted.second;
           });
}

}  // namespace holdfast
