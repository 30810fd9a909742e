#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "rules/judging/ensemble.h"
#include "tests/bench/judge_simulation.h"

/// How long one minute of 100,000 signals takes to judge on one core, and what a watched signal
/// weighs. Many watches share one learnt model, each has its own state: learning 100,000 signals
/// one by one would take half an hour and changes nothing of what is measured.

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

double resident_mib() {
    std::ifstream statm{"/proc/self/statm"};
    double size = 0;
    double resident = 0;
    statm >> size >> resident;
    return resident * 4096 / (1024 * 1024);
}

}  // namespace

int main(int argc, char** argv) {
    using namespace holdfast;
    const std::size_t wanted = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 100'000;
    constexpr std::size_t warm_minutes = 26 * 60;  // windows of a day are full
    constexpr std::size_t measured_minutes = 60;
    const auto upgrade = bench::simulate_upgrade({.seed = 4242, .phi = 0.6}, 0);
    auto begin = Clock::now();
    const auto model = rules::learn_ensemble(upgrade.plan, upgrade.signals, upgrade.history);
    const double learning = seconds_since(begin);
    const auto& rows = upgrade.after;
    const auto signals = upgrade.signals.size();
    const double before = resident_mib();
    const auto copies = (wanted + signals - 1) / signals;
    std::vector<rules::EnsembleWatch> watches;
    for (std::size_t i = 0; i < copies; ++i) {
        watches.emplace_back(model);
    }
    for (std::size_t minute = 0; minute < warm_minutes; ++minute) {
        for (auto& watch : watches) {
            watch.take(rows.row(minute));
        }
    }
    const double state = resident_mib() - before;
    double sum = 0;
    double most = 0;
    for (std::size_t minute = warm_minutes; minute < warm_minutes + measured_minutes; ++minute) {
        begin = Clock::now();
        for (auto& watch : watches) {
            watch.take(rows.row(minute));
        }
        const double took = seconds_since(begin);
        sum += took;
        most = std::max(most, took);
    }
    begin = Clock::now();
    std::size_t said = 0;
    for (const auto& watch : watches) {
        said += watch.judged().size();
    }
    const double judging = seconds_since(begin);
    const auto all = static_cast<double>(copies * signals);
    fmt::print("learning: {:.1f} ms a signal of four weeks of minutes\n",
               1e3 * learning / static_cast<double>(signals));
    fmt::print(
        "taking a minute of {:.0f} signals on one core: mean {:.3f} s, slowest {:.3f} s "
        "(goal: under 1 s)\n",
        all, sum / measured_minutes, most);
    fmt::print("what is said of all of them, with effects and what proofs lack: {:.3f} s for {}\n",
               judging, said);
    fmt::print("state after {} h: {:.1f} KiB a signal\n", warm_minutes / 60, 1024 * state / all);
    return most < 1 ? EXIT_SUCCESS : EXIT_FAILURE;
}
