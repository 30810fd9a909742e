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

}  // namespace holdfast
