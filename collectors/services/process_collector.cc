#include "collectors/services/process_collector.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <limits>
#include <memory>
#include <set>

#include "collectors/support/boot_epoch.h"
#include "collectors/support/text.h"

namespace holdfast::collectors {
namespace {

constexpr std::array metrics{
    MetricInfo{"holdfast_process_cpu_seconds_total", SeriesType::counter,
               "Processor time of a group of processes since holdfast watches it"},
    MetricInfo{"holdfast_process_major_faults_total", SeriesType::counter,
               "Page faults of a group that needed a disk, since holdfast watches it"},
    MetricInfo{"holdfast_process_read_bytes_total", SeriesType::counter,
               "Bytes that a group read from storage, since holdfast watches it"},
    MetricInfo{"holdfast_process_written_bytes_total", SeriesType::counter,
               "Bytes that a group wrote to storage, since holdfast watches it"},
    MetricInfo{"holdfast_process_restarts_total", SeriesType::counter,
               "How often the main process of a group was another one"},
    MetricInfo{"holdfast_process_resident_bytes", SeriesType::gauge,
               "Resident memory of a group, shared pages counted in each process"},
    MetricInfo{"holdfast_process_threads", SeriesType::gauge, "Threads of a group"},
    MetricInfo{"holdfast_processes", SeriesType::gauge, "Living processes of a group"},
    MetricInfo{"holdfast_process_open_fds", SeriesType::gauge, "Open file descriptors of a group"},
    MetricInfo{"holdfast_process_oldest_start_time_seconds", SeriesType::gauge,
               "Unix time at which the oldest process of a group started"},
};

constexpr std::string_view pid_file_hint = "check the pid_file of the group";
constexpr std::uint64_t pid_max = std::numeric_limits<std::int32_t>::max();

/// A folder that is closed at the end of the scope.
class Folder {
public:
    explicit Folder(const char* path) : stream_{::opendir(path), &::closedir} {}

    explicit operator bool() const { return stream_ != nullptr; }

    /// The name of the next entry, empty at the end.
    std::string_view next() {
        const auto* entry = ::readdir(stream_.get());
        return entry == nullptr ? std::string_view{} : entry->d_name;
    }

private:
    std::unique_ptr<DIR, int (*)(DIR*)> stream_;
};

bool is_gone(int error_number) {
    return error_number == ENOENT || error_number == ESRCH;
}

std::uint64_t positive(long value, std::uint64_t otherwise) {
    return value > 0 ? static_cast<std::uint64_t>(value) : otherwise;
}

/// What a counter of the kernel has risen by; none when it fell.
std::uint64_t rise(std::uint64_t before, std::uint64_t after) {
    return after > before ? after - before : 0;
}

void skip_fields(std::string_view& rest, int count) {
    for (int i = 0; i < count; ++i) {
        next_field(rest);
    }
}

}  // namespace

Result<ProcessStat> parse_process_stat(std::string_view text) {
    const auto name = text.find('(');
    const auto name_end = text.rfind(')');
    if (name_end == std::string_view::npos || name == std::string_view::npos) {
        return failure(Errc::parse, "expected '<pid> (<name>) <state> …'");
    }
    const auto pid = to_unsigned(trim(text.substr(0, name)));
    auto rest = trim(text.substr(name_end + 1));
    const auto state = next_field(rest);
    const auto parent = next_unsigned(rest);
    skip_fields(rest, 7);  // pgrp session tty_nr tpgid flags minflt cminflt
    const auto major_faults = next_unsigned(rest);
    skip_fields(rest, 1);  // cmajflt
    const auto user = next_unsigned(rest);
    const auto system = next_unsigned(rest);
    skip_fields(rest, 4);  // cutime cstime priority nice
    const auto threads = next_unsigned(rest);
    skip_fields(rest, 1);  // itrealvalue
    const auto start = next_unsigned(rest);
    skip_fields(rest, 1);  // vsize
    const auto resident = next_unsigned(rest);
    if (!pid || state.size() != 1 || !parent || !major_faults || !user || !system || !threads ||
        !start || !resident) {
        return failure(Errc::parse, "expected '<pid> (<name>) <state> …' with 24 fields or more");
    }
    return ProcessStat{*pid,     *parent, state.front(), *major_faults, *user + *system,
                       *threads, *start,  *resident};
}

std::optional<ProcessIo> parse_process_io(std::string_view text) {
    std::optional<std::uint64_t> read;
    std::optional<std::uint64_t> written;
    while (!text.empty()) {
        auto value = next_line(text);
        const auto field = next_cell(value, ':');
        if (field == "read_bytes") {
            read = next_unsigned(value);
        } else if (field == "write_bytes") {
            written = next_unsigned(value);
        }
    }
    if (!read || !written) {
        return std::nullopt;
    }
    return ProcessIo{*read, *written};
}

/// <procfs>/<parts>; valid until the next call.
template <class... Parts>
const char* ProcessCollector::path_of(const Parts&... parts) {
    path_ = procfs_;
    const auto append = [this](const auto& part) {
        fmt::format_to(std::back_inserter(path_), "/{}", part);
    };
    (append(parts), ...);
    return path_.c_str();
}

ProcessCollector::ProcessCollector(const Paths& paths, const ProcessOptions& options,
                                   std::uint64_t own_epoch)
    : procfs_{paths.procfs.native()},
      host_stat_{paths.procfs / "stat"},
      own_epoch_{own_epoch},
      ticks_per_second_{positive(::sysconf(_SC_CLK_TCK), 100)},
      page_bytes_{positive(::sysconf(_SC_PAGESIZE), 4096)} {
    for (const auto& group : options.groups) {
        const auto series = [&group](const MetricInfo& metric) {
            return std::make_shared<const Series>(
                Series{std::string{metric.name}, {{"group", group.name}}, metric.type});
        };
        groups_.push_back(
            {FileReader{group.pid_file, pid_file_hint},
             {series(metrics[0]), series(metrics[1]), series(metrics[2]), series(metrics[3]),
              series(metrics[4]), series(metrics[5]), series(metrics[6]), series(metrics[7]),
              series(metrics[8]), series(metrics[9])}});
    }
}

boost::asio::awaitable<Result<Reading>> ProcessCollector::collect(Timestamp now) {
    scanned_.reset();
    const auto host_stat = host_stat_.read();
    boot_seconds_ = host_stat ? boot_time_seconds(*host_stat) : std::nullopt;
    Reading reading{own_epoch_, {}};
    reading.samples.reserve(groups_.size() * metrics.size());
    std::optional<Error> first;
    for (auto& group : groups_) {
        const auto processes = processes_of(group);
        if (!processes) {
            first = first ? first : processes.error();
            continue;
        }
        add(reading.samples, group, account(group, *processes), now);
        group.last_read = now;
    }
    if (reading.samples.empty() && first) {
        co_return tl::unexpected(*first);
    }
    co_return reading;
}

/// None without a pid file, or when it is empty: one that is being written.
Result<std::optional<std::uint64_t>> ProcessCollector::main_pid(Group& group) {
    const auto text = group.pid_file.read();
    if (!text && text.error().code() == Errc::unsupported) {
        return std::optional<std::uint64_t>{};
    }
    if (!text) {
        return tl::unexpected(text.error());
    }
    auto rest = *text;
    const auto line = trim(next_line(rest));
    if (line.empty()) {
        return std::optional<std::uint64_t>{};
    }
    auto fields = line;
    const auto pid = next_unsigned(fields);
    if (!pid || *pid == 0 || *pid > pid_max) {
        return failure(Errc::parse, "{}: expected a pid, got '{}'; {}",
                       group.pid_file.path().native(), line.substr(0, 32), pid_file_hint);
    }
    return pid;
}

/// The main process first; empty when it does not live.
Result<ProcessCollector::Processes> ProcessCollector::processes_of(Group& group) {
    const auto pid = main_pid(group);
    if (!pid) {
        return tl::unexpected(pid.error());
    }
    if (!*pid) {
        return Processes{};
    }
    const auto main = stat_of(**pid);
    if (!main) {
        return tl::unexpected(main.error());
    }
    if (!*main || (*main)->is_dead()) {
        return Processes{};
    }
    Processes processes{**main};
    auto done = append_descendants(processes, 0);
    const std::pair identity{(*main)->pid, (*main)->start_ticks};
    if (done && group.main == identity) {
        const auto in_tree = processes.size();
        done = append_orphans(group, processes);
        if (done) {
            done = append_descendants(processes, in_tree);
        }
    }
    if (!done) {
        return tl::unexpected(done.error());
    }
    group.restarts += group.main && group.main != identity ? 1 : 0;
    group.main = identity;
    return processes;
}

/// Appends all that have one of those from `first` on as an ancestor and are not there yet.
Result<void> ProcessCollector::append_descendants(Processes& processes, std::size_t first) {
    std::set<std::uint64_t> known;
    for (const auto& process : processes) {
        known.insert(process.pid);
    }
    for (std::size_t next = first; next < processes.size(); ++next) {
        const auto parent = processes[next];
        auto children = children_of(parent);
        if (!children) {
            return tl::unexpected(children.error());
        }
        for (const auto& child : *children) {
            if (known.insert(child.pid).second) {
                processes.push_back(child);
            }
        }
    }
    return {};
}

Result<ProcessCollector::Processes> ProcessCollector::children_of(const ProcessStat& parent) {
    if (scanned_) {
        return scanned_children(parent.pid);
    }
    const auto listed = listed_children(parent);
    if (!listed) {
        return tl::unexpected(listed.error());
    }
    if (!*listed) {
        return scanned_children(parent.pid);
    }
    Processes children;
    for (const auto pid : **listed) {
        const auto child = stat_of(pid);
        if (!child) {
            return tl::unexpected(child.error());
        }
        if (*child) {
            children.push_back(**child);
        }
    }
    return children;
}

/// From <procfs>/PID/task/TID/children, of every thread. None when there is no such file: without
/// CONFIG_PROC_CHILDREN, or when the process is gone.
Result<std::optional<ProcessCollector::Pids>> ProcessCollector::listed_children(
    const ProcessStat& parent) {
    const auto threads = threads_of(parent);
    if (!threads) {
        return tl::unexpected(threads.error());
    }
    std::optional<Pids> children;
    for (const auto thread : *threads) {
        const auto text = read_once(path_of(parent.pid, "task", thread, "children"), buffer_);
        if (!text && is_gone(text.error())) {
            continue;
        }
        if (!text) {
            return tl::unexpected(file_error(path_, text.error(), procfs_hint));
        }
        children = children ? std::move(children) : Pids{};
        auto rest = trim(*text);
        while (!rest.empty()) {
            if (const auto child = next_unsigned(rest)) {
                children->push_back(*child);
            }
        }
    }
    return children;
}

Result<ProcessCollector::Pids> ProcessCollector::threads_of(const ProcessStat& process) {
    if (process.threads <= 1) {
        return Pids{process.pid};
    }
    Folder tasks{path_of(process.pid, "task")};
    if (!tasks) {
        return is_gone(errno) ? Result<Pids>{Pids{}}
                              : tl::unexpected(file_error(path_, errno, procfs_hint));
    }
    Pids threads;
    for (auto name = tasks.next(); !name.empty(); name = tasks.next()) {
        if (const auto thread = to_unsigned(name)) {
            threads.push_back(*thread);
        }
    }
    return threads;
}

Result<ProcessCollector::Processes> ProcessCollector::scanned_children(std::uint64_t parent) {
    if (!scanned_) {
        auto scanned = scan();
        if (!scanned) {
            return scanned;
        }
        scanned_ = std::move(*scanned);
    }
    const auto first = std::ranges::lower_bound(*scanned_, parent, {}, &ProcessStat::parent);
    const auto last = std::ranges::upper_bound(*scanned_, parent, {}, &ProcessStat::parent);
    return Processes(first, last);
}

/// All processes that can be seen, by parent.
Result<ProcessCollector::Processes> ProcessCollector::scan() {
    Folder processes{procfs_.c_str()};
    if (!processes) {
        return tl::unexpected(file_error(procfs_, errno, procfs_hint));
    }
    Processes found;
    for (auto name = processes.next(); !name.empty(); name = processes.next()) {
        const auto pid = to_unsigned(name);
        if (!pid) {
            continue;
        }
        const auto process = stat_of(*pid);
        if (process && *process) {
            found.push_back(**process);
        } else if (!process && process.error().code() == Errc::io) {
            return tl::unexpected(process.error());  // such as too many open files
        }
    }
    std::ranges::sort(found, {}, &ProcessStat::parent);
    return found;
}

/// Members that live but have lost the parent that led to the main process.
Result<void> ProcessCollector::append_orphans(const Group& group, Processes& processes) {
    std::set<std::uint64_t> found;
    for (const auto& process : processes) {
        found.insert(process.pid);
    }
    for (const auto& [pid, member] : group.members) {
        if (found.contains(pid)) {
            continue;
        }
        const auto process = stat_of(pid);
        if (!process) {
            return tl::unexpected(process.error());
        }
        if (*process && (*process)->start_ticks == member.start_ticks) {
            processes.push_back(**process);
        }
    }
    return {};
}

/// Adds to the counters of the group what its processes did since the last reading.
ProcessCollector::Totals ProcessCollector::account(Group& group, const Processes& processes) {
    Totals totals;
    if (processes.empty()) {
        return totals;  // the members stay: a pid file may be missing while it is written anew
    }
    for (auto& [pid, member] : group.members) {
        member.seen = false;
    }
    totals.oldest_start_ticks = processes.front().start_ticks;
    for (const auto& process : processes) {
        Member& known = member(group, process);
        known.seen = true;
        group.cpu_ticks += rise(known.cpu_ticks, process.cpu_ticks);
        group.major_faults += rise(known.major_faults, process.major_faults);
        known.cpu_ticks = std::max(known.cpu_ticks, process.cpu_ticks);
        known.major_faults = std::max(known.major_faults, process.major_faults);
        if (process.is_dead()) {
            continue;
        }
        ++totals.count;
        totals.threads += process.threads;
        totals.resident_pages += process.resident_pages;
        totals.oldest_start_ticks = std::min(totals.oldest_start_ticks, process.start_ticks);
        account_io(group, known, process.pid, totals);
        count_fds(process.pid, totals);
    }
    std::erase_if(group.members, [](const auto& entry) { return !entry.second.seen; });
    return totals;
}

/// The member that `process` is. A new one has done nothing yet if it may be younger than the last
/// reading, else all that it has done was before our time.
ProcessCollector::Member& ProcessCollector::member(Group& group, const ProcessStat& process) {
    const auto [place, is_new] = group.members.try_emplace(process.pid);
    Member& member = place->second;
    if (is_new || member.start_ticks != process.start_ticks) {
        member = {};
        member.start_ticks = process.start_ticks;
        member.from_birth =
            group.last_read && may_be_born_after(process.start_ticks, *group.last_read);
        if (!member.from_birth) {
            member.cpu_ticks = process.cpu_ticks;
            member.major_faults = process.major_faults;
        }
    }
    return member;
}

void ProcessCollector::account_io(Group& group, Member& member, std::uint64_t pid, Totals& totals) {
    const auto text = read_once(path_of(pid, "io"), buffer_);
    if (!text) {
        totals.io.denied = totals.io.denied || !is_gone(text.error());
        member.from_birth = false;
        return;
    }
    const auto io = parse_process_io(*text);
    if (!io) {
        return;
    }
    totals.io.read = true;
    if (!member.io) {
        member.io = member.from_birth ? ProcessIo{} : *io;
    }
    group.io.read_bytes += rise(member.io->read_bytes, io->read_bytes);
    group.io.written_bytes += rise(member.io->written_bytes, io->written_bytes);
    member.io = io;
}

void ProcessCollector::count_fds(std::uint64_t pid, Totals& totals) {
    Folder descriptors{path_of(pid, "fd")};
    if (!descriptors) {
        totals.fds.denied = totals.fds.denied || !is_gone(errno);
        return;
    }
    totals.fds.read = true;
    for (auto name = descriptors.next(); !name.empty(); name = descriptors.next()) {
        totals.open_fds += name.front() == '.' ? 0 : 1;
    }
}

void ProcessCollector::add(std::vector<Sample>& samples, const Group& group, const Totals& totals,
                           Timestamp at) const {
    const auto& series = group.series;
    const auto put = [&samples, at](const std::shared_ptr<const Series>& what, double value) {
        samples.push_back({what, at, value});
    };
    const auto count = [](std::uint64_t value) { return static_cast<double>(value); };
    put(series.count, count(totals.count));
    if (totals.count == 0) {
        return;
    }
    put(series.cpu_seconds, count(group.cpu_ticks) / count(ticks_per_second_));
    put(series.major_faults, count(group.major_faults));
    put(series.restarts, count(group.restarts));
    put(series.resident_bytes, count(totals.resident_pages * page_bytes_));
    put(series.threads, count(totals.threads));
    if (totals.io.complete()) {
        put(series.read_bytes, count(group.io.read_bytes));
        put(series.written_bytes, count(group.io.written_bytes));
    }
    if (totals.fds.complete()) {
        put(series.open_fds, count(totals.open_fds));
    }
    if (boot_seconds_) {
        put(series.oldest_start,
            count(*boot_seconds_) + count(totals.oldest_start_ticks) / count(ticks_per_second_));
    }
}

/// The boot is known to the second only, rounded down.
bool ProcessCollector::may_be_born_after(std::uint64_t start_ticks, Timestamp at) const {
    if (!boot_seconds_) {
        return false;
    }
    const Timestamp latest{Milliseconds{static_cast<Milliseconds::rep>(
        (*boot_seconds_ + 1) * 1000 + start_ticks * 1000 / ticks_per_second_)}};
    return latest > at;
}

Result<std::optional<ProcessStat>> ProcessCollector::stat_of(std::uint64_t pid) {
    const auto text = read_once(path_of(pid, "stat"), buffer_);
    if (!text && is_gone(text.error())) {
        return std::optional<ProcessStat>{};
    }
    if (!text) {
        return tl::unexpected(file_error(path_, text.error(), procfs_hint));
    }
    if (text->empty()) {
        return std::optional<ProcessStat>{};
    }
    const auto process = parse_process_stat(*text);
    if (!process) {
        return tl::unexpected(process.error().while_doing(path_));
    }
    return std::optional{*process};
}

std::span<const MetricInfo> process_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
