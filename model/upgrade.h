#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "model/baseline.h"
#include "model/judgement.h"
#include "model/signal.h"
#include "model/time.h"

namespace holdfast {

/// Where an upgrade is in its life.
enum class Phase : std::uint8_t { planned, window, watching, closed, cancelled, rolled_back };

/// What the upgrade says now, from all judgements.
enum class Verdict : std::uint8_t { watching, proven, rollback, blocked };

/// Shares of unchanged upgrades that may ever see a regression of a severity, all rules and looks
/// together, and of changed ones that may be closed.
struct Levels {
    double warn = 0.20;
    double page = 0.05;
    double rollback = 0.01;
    double close = 0.05;
    bool operator==(const Levels&) const = default;
};

/// Work that belongs to the business cycle, such as a nightly backup: it was seen when a point of
/// the signal is beyond `value`, in its unit.
struct Job {
    std::string name;
    std::string signal;  ///< name of a definition
    Labels match;        ///< only signals with these labels
    Threshold::Side side = Threshold::Side::above;
    double value = 0;
    bool operator==(const Job&) const = default;
};

/// One change of one target, with all that its judging needs: no reload changes an open upgrade.
struct Upgrade {
    std::string id;  ///< "u1", "u2", …: in order of their start
    std::string target;
    std::string from;
    std::string to;
    std::string reason;
    Labels labels;
    Phase phase = Phase::window;
    Verdict verdict = Verdict::watching;
    std::uint64_t revision = 1;  ///< rises with every change of phase, verdict or judgements
    Timestamp started_at{};
    std::optional<Timestamp> window_end_at;
    std::optional<Timestamp> ended_at;
    Milliseconds cycle{};
    std::string timezone;
    Milliseconds warmup{};
    Milliseconds lag{};  ///< rows may come so much later than their time; a cell waits for them
    /// Its judgements are those of the rows that were received before this.
    std::optional<Timestamp> judged_at;
    std::optional<Timestamp> resumed_at;  ///< judging was interrupted until then: no silence before
    std::string baseline_id;
    std::vector<Rule> rules;
    std::vector<SignalDefinition> signals;
    std::vector<std::string> load;  ///< names of signals that are load though nobody defined them
    std::vector<Job> jobs;
    Levels levels;
    std::string idempotency_key;
    std::string request_digest;  ///< of the body that came with the key
    bool overridden = false;
    std::vector<Judged> judgements;  ///< as last stored; recomputed from samples after a restart

    bool open() const {
        return phase == Phase::planned || phase == Phase::window || phase == Phase::watching;
    }
};

/// One line of an upgrade's log.
struct Event {
    std::uint64_t sequence = 0;  ///< per upgrade, from 1
    Timestamp at{};
    std::string type;  ///< started window_end verdict judgement close_refused closed overridden …
    std::string by;    ///< person or "holdfast"
    std::string text;
};

}  // namespace holdfast
