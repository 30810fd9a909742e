#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "model/signal.h"

namespace holdfast {

/// What a rule says now. `regressed` outranks `proven`.
enum class Judgement : std::uint8_t { learning, watching, proven, regressed, no_data };

/// The figures behind a judgement. Effects are worsenings: positive is worse, whichever way that is
/// for the signal; in its unit (of a trend: the unit a day), and as a share of the baseline's
/// level.
struct Evidence {
    double baseline = 0;      ///< level of the baseline in the seasons that the window touched
    double observed = 0;      ///< level in the window
    double effect = 0;        ///< mean worsening over the window, season by season
    double effect_lower = 0;  ///< limits of the any-time valid interval of the effect
    double effect_upper = 0;
    double tolerated = 0;  ///< in the unit, at this baseline
    double margin = 0;
    double level = 0;             ///< error level of the interval, for this rule alone
    double blocks = 0;            ///< blocks in the window
    double effective_blocks = 0;  ///< independent blocks that they are worth
    double coverage_ratio = 0;  ///< share of the business cycle's slots seen since the proof began
    Window window{};            ///< what the effect was measured over
    std::string missing;        ///< what a proof still lacks, in words; empty when proven
    std::string reason;         ///< one sentence for people, with the figures that decided
};

/// What one rule says of one signal.
struct Judged {
    std::string rule;
    SignalId signal;
    Judgement judgement = Judgement::learning;
    Severity severity = Severity::none;        ///< of a regression, else none
    std::optional<Timestamp> regressed_since;  ///< when it was first said
    std::optional<Timestamp> recovered_at;     ///< when the last regression ended by evidence
    bool required = false;
    NoData no_data = NoData::blocked;
    Evidence evidence;
};

}  // namespace holdfast
