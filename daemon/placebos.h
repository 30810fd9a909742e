#pragma once
#include <atomic>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/json.hpp>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/clock.h"
#include "daemon/config.h"
#include "model/baseline.h"
#include "model/result.h"
#include "storage/store.h"

namespace holdfast::daemon {

/// What there is of the placebo of one baseline.
struct PlaceboState {
    Timestamp since{};          ///< when it was asked for
    Milliseconds watch{};       ///< length of a watch
    double progress_ratio = 0;  ///< of the work, as copies of watches judged
    std::shared_ptr<const boost::json::object> result;  ///< placebo_json(); null: it runs
};

/// Replays the past of stored baselines as upgrades that did not happen, by the configured rules:
/// one at a time, on a thread that does nothing else and gives way to all others. The newest
/// results are kept, in memory alone. All state belongs to the loop.
class Placebos {
public:
    static constexpr std::size_t results_max = 8;

    struct Deps {
        Clock& clock;
        const storage::RecordStore& records;
        boost::asio::thread_pool& own_pool;  ///< one thread: it takes minutes
    };
    Placebos(const Deps& deps, const boost::asio::any_io_executor& loop);

    void configure(std::shared_ptr<const Config> config) { config_ = std::move(config); }
    /// Ends what runs soon, and lets nothing begin.
    void stop();

    /// What there is of exactly this question, or else begins it: `watch` is by default a cycle, at
    /// most a third of the baseline. Errc::invalid for a baseline without cells and for a watch
    /// that is shorter than one, Errc::conflict while another question is worked on,
    /// Errc::cancelled when stopping.
    Result<PlaceboState> ask(std::shared_ptr<const Baseline> baseline,
                             std::optional<Milliseconds> watch);
    /// The newest of the baseline. Errc::not_found when it was never asked for or is not kept any
    /// more; the error that ended it, where one did.
    Result<PlaceboState> find(const std::string& baseline) const;

    /// Works on what is asked, until cancelled.
    boost::asio::awaitable<void> work_forever();
    /// Once, on what is asked now.
    boost::asio::awaitable<void> work();

private:
    /// All that the result depends on.
    struct Question {
        std::string baseline;
        Milliseconds watch{}, warmup{};
        std::vector<Rule> rules;
        std::vector<SignalDefinition> signals;
        std::vector<std::string> load;
        Levels levels;
        bool operator==(const Question&) const = default;
    };
    using Report = std::shared_ptr<const boost::json::object>;
    struct Running {
        std::shared_ptr<const Question> question;
        std::shared_ptr<const Baseline> baseline;
        Timestamp since{};
        /// Told by the thread that works.
        std::shared_ptr<std::atomic<double>> progress = std::make_shared<std::atomic<double>>(0);
    };
    struct Done {
        std::shared_ptr<const Question> question;
        Timestamp since{};
        Result<Report> report;
    };

    Question question_of(const Baseline& baseline, std::optional<Milliseconds> watch) const;
    static PlaceboState state_of(const Running& running);
    static Result<PlaceboState> state_of(const Done& done);
    Result<Report> replay(const Running& running) const;
    void keep(Done done);

    Deps deps_;
    std::shared_ptr<const Config> config_;
    std::optional<Running> running_;
    std::deque<Done> done_;            ///< newest first, one per baseline
    boost::asio::steady_timer asked_;  ///< cancelled when there is something to do
    std::atomic<bool> stopping_ = false;
};

}  // namespace holdfast::daemon
