#include "collectors/system/filesystem_collector.h"

#include <spdlog/spdlog.h>
#include <sys/vfs.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <cerrno>
#include <exception>
#include <set>
#include <utility>

#include "collectors/support/text.h"
#include "collectors/support/utf8.h"

namespace holdfast::collectors {
namespace {

constexpr std::array metrics{
    MetricInfo{"holdfast_filesystem_size_bytes", SeriesType::gauge, "Size of a file system"},
    MetricInfo{"holdfast_filesystem_avail_bytes", SeriesType::gauge,
               "Free space of a file system for users who are not root"},
    MetricInfo{"holdfast_filesystem_inodes", SeriesType::gauge, "Inodes of a file system"},
    MetricInfo{"holdfast_filesystem_inodes_free", SeriesType::gauge,
               "Free inodes of a file system"},
    MetricInfo{"holdfast_filesystem_readonly", SeriesType::gauge,
               "Whether a file system is mounted read-only: 1, or 0 when it is not"},
    MetricInfo{"holdfast_filesystem_stuck", SeriesType::gauge,
               "Whether a file system does not answer: 1, or 0 when it does"},
};

constexpr std::string_view hint = "check --paths.rootfs and the mount";

bool is_octal(char c) {
    return c >= '0' && c <= '7';
}

/// `\040` and the like as the bytes they stand for.
std::string unescape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && is_octal(text[i + 1]) &&
            is_octal(text[i + 2]) && is_octal(text[i + 3])) {
            const int code =
                (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0');
            out += static_cast<char>(code);
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

bool has_option(std::string_view options, std::string_view wanted) {
    while (!options.empty()) {
        if (next_cell(options, ',') == wanted) {
            return true;
        }
    }
    return false;
}

/// 36 35 98:0 /root /mountpoint rw,noatime master:1 - ext4 /dev/sda1 rw,errors=continue
std::optional<Mount> parse_line(std::string_view line) {
    const auto id = to_unsigned(next_cell(line, ' '));
    const auto parent = to_unsigned(next_cell(line, ' '));
    next_cell(line, ' ');  // major:minor
    next_cell(line, ' ');  // root of the mount within its file system
    const auto mountpoint = next_cell(line, ' ');
    const auto options = next_cell(line, ' ');
    while (!line.empty() && next_cell(line, ' ') != "-") {  // optional fields, any number
    }
    const auto fstype = next_cell(line, ' ');
    const auto source = next_cell(line, ' ');
    if (!id || !parent || mountpoint.empty() || fstype.empty() || line.empty()) {
        return std::nullopt;
    }
    Mount mount;
    mount.path = unescape(mountpoint);
    mount.mountpoint = to_utf8(mount.path);
    mount.device = to_utf8(unescape(source));
    mount.fstype = to_utf8(unescape(fstype));
    mount.readonly = has_option(options, "ro") || has_option(line, "ro");
    return mount;
}

bool is_one_of(const std::string& fstype, const std::vector<std::string>& types) {
    return std::ranges::any_of(types, [&fstype](std::string_view type) {
        return type.ends_with('*') ? fstype.starts_with(type.substr(0, type.size() - 1))
                                   : fstype == type;
    });
}

/// The mount point as seen from `rootfs`, for a table that was made outside of it.
void strip_rootfs(Mount& mount, const std::string& rootfs) {
    const auto strip = [](std::string& path, const std::string& prefix) {
        if (path == prefix) {
            path = "/";
        } else if (path.starts_with(prefix) && path[prefix.size()] == '/') {
            path.erase(0, prefix.size());
        }
    };
    if (!rootfs.empty()) {
        strip(mount.path, rootfs);
        mount.mountpoint = to_utf8(mount.path);
    }
}

std::string without_slash(std::string path) {
    while (path.ends_with('/')) {
        path.pop_back();
    }
    return path;
}

bool same_labels(const Mount& one, const Mount& other) {
    return one.mountpoint == other.mountpoint && one.device == other.device &&
           one.fstype == other.fstype;
}

}  // namespace

/// One detached call, which asks several mounts in turn. Shared by the loop and the call's thread.
class FilesystemCollector::Batch {
public:
    explicit Batch(std::string key) : key_{std::move(key)} {}

    const std::string& key() const { return key_; }
    std::size_t size() const { return entries_.size(); }
    std::size_t place(std::size_t entry) const { return entries_[entry].place; }

    /// Before run(): the mount at `place` of the collector's list.
    void add(std::size_t place, std::string path, std::shared_ptr<std::atomic<bool>> asked) {
        entries_.push_back({place, std::move(path), std::move(asked), {}});
    }

    /// On the call's thread. Ends early once it is abandoned: a mount is never asked twice at a
    /// time.
    bool run(const StatfsFunction& statfs) {
        for (auto& entry : entries_) {
            if (!begin(entry)) {
                return false;
            }
            const auto answer = statfs(entry.path);
            const std::lock_guard lock{mutex_};
            if (!abandoned_) {
                entry.answer.came = true;
                entry.answer.space = answer ? std::optional{*answer} : std::nullopt;
            }
            *entry.asked = false;
        }
        const std::lock_guard lock{mutex_};
        finished_ = true;
        return true;
    }

    /// On the loop: from now on no answer comes and no mount is asked any more.
    void abandon() {
        const std::lock_guard lock{mutex_};
        abandoned_ = true;
    }

    /// After abandon().
    bool finished() const {
        const std::lock_guard lock{mutex_};
        return finished_;
    }
    Answer answer(std::size_t entry) const {
        const std::lock_guard lock{mutex_};
        return entries_[entry].answer;
    }

private:
    struct Entry {
        std::size_t place;
        std::string path;
        std::shared_ptr<std::atomic<bool>> asked;
        Answer answer;
    };

    bool begin(const Entry& entry) {
        const std::lock_guard lock{mutex_};
        if (!abandoned_) {
            *entry.asked = true;
        }
        return !abandoned_;
    }

    std::string key_;
    std::vector<Entry> entries_;
    mutable std::mutex mutex_;
    bool abandoned_ = false;
    bool finished_ = false;
};

std::vector<Mount> parse_mountinfo(std::string_view text) {
    std::vector<Mount> mounts;
    std::map<std::string, std::size_t, std::less<>> by_path;
    while (!text.empty()) {
        auto mount = parse_line(next_line(text));
        if (!mount) {
            continue;
        }
        const auto [known, is_new] = by_path.try_emplace(mount->path, mounts.size());
        if (is_new) {
            mounts.push_back(std::move(*mount));
        } else {
            mounts[known->second] = std::move(*mount);
        }
    }
    return mounts;
}

Result<FilesystemSpace> system_statfs(const std::string& path) {
    struct statfs space {};
    int failed = -1;
    do {
        failed = ::statfs(path.c_str(), &space);
    } while (failed != 0 && errno == EINTR);
    if (failed != 0) {
        return tl::unexpected(file_error(path, errno, hint));
    }
    const auto unit =
        static_cast<std::uint64_t>(space.f_frsize != 0 ? space.f_frsize : space.f_bsize);
    return FilesystemSpace{space.f_blocks * unit, space.f_bavail * unit, space.f_files,
                           space.f_ffree};
}

FilesystemCollector::FilesystemCollector(const Paths& paths, FilesystemOptions options,
                                         DetachedCalls& calls, StatfsFunction statfs)
    : epoch_{paths.procfs},
      init_table_{paths.procfs / "1/mountinfo"},
      own_table_{paths.procfs / "self/mountinfo"},
      rootfs_{without_slash(paths.rootfs.native())},
      options_{std::move(options)},
      calls_{calls},
      statfs_{std::move(statfs)} {}

boost::asio::awaitable<Result<Reading>> FilesystemCollector::collect(Timestamp now) {
    const auto table = read_table();
    if (!table) {
        co_return tl::unexpected(table.error());
    }
    watch(*table);
    const auto asking = batches();
    co_await ask_all(asking);
    take_answers(asking);
    Reading reading{epoch_.read(), {}};
    reading.samples.reserve(watched_.size() * metrics.size());
    for (const auto& watched : watched_) {
        add(reading.samples, watched, now);
    }
    co_return reading;
}

Result<std::string_view> FilesystemCollector::read_table() {
    auto table = init_table_.read();
    if (table) {
        return table;
    }
    auto own = own_table_.read();
    if (!own) {
        return table;
    }
    if (!std::exchange(fell_back_, true)) {
        spdlog::warn("filesystem_table_fallback using={} reason=\"{}\"", own_table_.path().native(),
                     table.error().message());
    }
    return own;
}

/// Makes the list of watched mounts anew when the table has changed.
void FilesystemCollector::watch(std::string_view table) {
    if (table == table_) {
        return;
    }
    table_ = table;
    std::vector<Watched> watched;
    std::set<std::string> labels;
    for (auto& mount : parse_mountinfo(table)) {
        if (is_one_of(mount.fstype, options_.exclude_types)) {
            continue;
        }
        strip_rootfs(mount, rootfs_);
        if (!labels.insert(mount.mountpoint + '\n' + mount.device + '\n' + mount.fstype).second) {
            continue;  // two paths that differ in invalid bytes only
        }
        Watched next;
        next.path = rootfs_ + mount.path;
        next.network = is_one_of(mount.fstype, options_.network_types);
        auto& asked = asked_[next.path];
        if (!asked) {
            asked = std::make_shared<std::atomic<bool>>(false);
        }
        next.asked = asked;
        next.series = series_of(mount);
        next.mount = std::move(mount);
        watched.push_back(std::move(next));
    }
    watched_ = std::move(watched);
    std::erase_if(
        asked_, [](const auto& entry) { return entry.second.use_count() == 1 && !*entry.second; });
}

/// Those that the mount has already, or new ones.
FilesystemCollector::SeriesSet FilesystemCollector::series_of(const Mount& mount) const {
    const auto known = std::ranges::find_if(
        watched_, [&mount](const Watched& watched) { return same_labels(watched.mount, mount); });
    if (known != watched_.end()) {
        return known->series;
    }
    const auto make = [&mount](const MetricInfo& metric) {
        return std::make_shared<const Series>(Series{std::string{metric.name},
                                                     {{"mountpoint", mount.mountpoint},
                                                      {"device", mount.device},
                                                      {"fstype", mount.fstype}}});
    };
    return {make(metrics[0]), make(metrics[1]), make(metrics[2]),
            make(metrics[3]), make(metrics[4]), make(metrics[5])};
}

/// The calls of this round: none for a mount that still has one out.
std::vector<std::shared_ptr<FilesystemCollector::Batch>> FilesystemCollector::batches() {
    std::vector<std::shared_ptr<Batch>> batches;
    std::shared_ptr<Batch> together;
    for (std::size_t place = 0; place < watched_.size(); ++place) {
        auto& watched = watched_[place];
        watched.answer = {};
        if (*watched.asked) {
            continue;
        }
        const bool alone = watched.network || !local_together_;
        auto batch = alone ? nullptr : together;
        if (!batch) {
            batch = std::make_shared<Batch>(alone ? "statfs " + watched.path : "statfs local");
            batches.push_back(batch);
        }
        if (!alone) {
            together = batch;
        }
        batch->add(place, watched.path, watched.asked);
    }
    return batches;
}

boost::asio::awaitable<void> FilesystemCollector::ask_all(
    const std::vector<std::shared_ptr<Batch>>& batches) {
    namespace asio = boost::asio;
    if (batches.empty()) {
        co_return;
    }
    if (batches.size() == 1) {
        co_await ask(batches.front());
        co_return;
    }
    const auto executor = co_await asio::this_coro::executor;
    std::vector<decltype(asio::co_spawn(executor, ask(batches.front()), asio::deferred))> asking;
    asking.reserve(batches.size());
    for (const auto& batch : batches) {
        asking.push_back(asio::co_spawn(executor, ask(batch), asio::deferred));
    }
    auto group = asio::experimental::make_parallel_group(std::move(asking));
    const auto [order, errors] =
        co_await group.async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
    for (const auto& error : errors) {
        if (error) {
            std::rethrow_exception(error);
        }
    }
}

boost::asio::awaitable<void> FilesystemCollector::ask(std::shared_ptr<Batch> batch) {
    // Also when the collector is cancelled.
    const std::unique_ptr<Batch, void (*)(Batch*)> abandon{batch.get(),
                                                           [](Batch* asked) { asked->abandon(); }};
    auto key = batch->key();
    auto work = [batch, statfs = statfs_] { return batch->run(statfs); };
    // The batch has the answers, also those before the deadline of a call that was too late.
    [[maybe_unused]] const auto ended =
        co_await calls_.call<bool>(std::move(key), options_.deadline, std::move(work));
}

void FilesystemCollector::take_answers(const std::vector<std::shared_ptr<Batch>>& batches) {
    bool all_finished = true;
    for (const auto& batch : batches) {
        for (std::size_t entry = 0; entry < batch->size(); ++entry) {
            auto& watched = watched_[batch->place(entry)];
            watched.answer = batch->answer(entry);
            all_finished = all_finished && (watched.network || batch->finished());
        }
    }
    local_together_ = all_finished && std::ranges::none_of(watched_, [](const Watched& watched) {
                          return !watched.network && *watched.asked;
                      });
}

void FilesystemCollector::add(std::vector<Sample>& samples, const Watched& watched,
                              Timestamp at) const {
    const auto& series = watched.series;
    if (const auto& space = watched.answer.space) {
        samples.push_back({series.size, at, static_cast<double>(space->size_bytes)});
        samples.push_back({series.avail, at, static_cast<double>(space->avail_bytes)});
        if (space->inodes != 0) {
            samples.push_back({series.inodes, at, static_cast<double>(space->inodes)});
            samples.push_back({series.inodes_free, at, static_cast<double>(space->inodes_free)});
        }
    }
    samples.push_back({series.readonly, at, watched.mount.readonly ? 1.0 : 0.0});
    if (watched.answer.came) {
        samples.push_back({series.stuck, at, 0.0});
    } else if (*watched.asked) {
        samples.push_back({series.stuck, at, 1.0});
    }
}

std::span<const MetricInfo> filesystem_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
