#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collectors/collector.h"
#include "collectors/metric_info.h"
#include "collectors/paths.h"
#include "collectors/support/file_reader.h"

namespace holdfast::collectors {

/// What is used of /proc/PID/stat, proc(5).
struct ProcessStat {
    std::uint64_t pid = 0;
    std::uint64_t parent = 0;
    char state = '?';
    std::uint64_t major_faults = 0;
    std::uint64_t cpu_ticks = 0;  ///< user and system, guests included, without waited-for children
    std::uint64_t threads = 0;
    std::uint64_t start_ticks = 0;  ///< since the boot; with the pid, the identity of a process
    std::uint64_t resident_pages = 0;

    /// It runs no more, though its parent has not yet taken notice.
    bool is_dead() const { return state == 'Z' || state == 'X' || state == 'x'; }
};

/// Text of /proc/PID/stat. The name of the command may contain blanks and parentheses: it ends with
/// the last ')'. Errc::parse for a torn text.
Result<ProcessStat> parse_process_stat(std::string_view text);

/// What a process made the storage layer transfer, in bytes.
struct ProcessIo {
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
};

/// Text of /proc/PID/io, proc(5). None when it is torn.
std::optional<ProcessIo> parse_process_io(std::string_view text);

/// A service: a process and all its descendants.
struct ProcessGroup {
    std::string name;  ///< the `group` label
    std::filesystem::path
        pid_file;  ///< as it is, not below rootfs; its first line starts with a pid
};

struct ProcessOptions {
    std::vector<ProcessGroup> groups;
};

/// Processes of configured services from <procfs>/PID/{stat,io,fd}.
///
/// A group is the process in its pid file with all descendants; a descendant whose parent died
/// stays in it as long as the main process is the same. Without a pid file or a living process in
/// it, a group has `holdfast_processes` 0 and nothing else. Counters start at zero with the
/// collector and are sums of what living processes did between two readings, so they do not fall
/// when one exits (process-exporter#193): a process that is met first counts from its birth if that
/// was after the last reading, else from now. A process that is gone between two system calls is
/// normal (node_exporter#1042). io and fd of others need CAP_SYS_PTRACE: a group in which one is
/// denied lacks these samples. Fails when no group can be read, with the error of the first.
class ProcessCollector final : public Collector {
public:
    /// `own_epoch` is the epoch of the readings: the counters start anew with this collector.
    ProcessCollector(const Paths& paths, const ProcessOptions& options, std::uint64_t own_epoch);

    std::string_view name() const override { return "process"; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    struct Member {
        std::uint64_t start_ticks = 0;
        std::uint64_t cpu_ticks = 0;
        std::uint64_t major_faults = 0;
        std::optional<ProcessIo> io;
        bool from_birth = false;  ///< counts from its birth: what it has not told yet is new
        bool seen = false;        ///< in this reading
    };
    struct SeriesSet {
        std::shared_ptr<const Series> cpu_seconds;
        std::shared_ptr<const Series> major_faults;
        std::shared_ptr<const Series> read_bytes;
        std::shared_ptr<const Series> written_bytes;
        std::shared_ptr<const Series> restarts;
        std::shared_ptr<const Series> resident_bytes;
        std::shared_ptr<const Series> threads;
        std::shared_ptr<const Series> count;
        std::shared_ptr<const Series> open_fds;
        std::shared_ptr<const Series> oldest_start;
    };
    struct Group {
        FileReader pid_file;
        SeriesSet series;
        std::optional<std::pair<std::uint64_t, std::uint64_t>> main{};  ///< pid and start
        std::map<std::uint64_t, Member> members{};                      ///< by pid
        std::optional<Timestamp> last_read{};
        std::uint64_t cpu_ticks = 0;
        std::uint64_t major_faults = 0;
        ProcessIo io{};
        std::uint64_t restarts = 0;
    };
    /// Whether something of all processes of a group could be read.
    struct Coverage {
        bool read = false;    ///< of one at least
        bool denied = false;  ///< of one at least

        bool complete() const { return read && !denied; }
    };
    /// Gauges of a group, added up over its living processes.
    struct Totals {
        std::uint64_t count = 0;
        std::uint64_t threads = 0;
        std::uint64_t resident_pages = 0;
        std::uint64_t open_fds = 0;
        std::uint64_t oldest_start_ticks = 0;
        Coverage io;
        Coverage fds;
    };
    using Processes = std::vector<ProcessStat>;
    using Pids = std::vector<std::uint64_t>;

    static Result<std::optional<std::uint64_t>> main_pid(Group& group);
    Result<Processes> processes_of(Group& group);
    Result<void> append_descendants(Processes& processes, std::size_t first);
    Result<Processes> children_of(const ProcessStat& parent);
    Result<std::optional<Pids>> listed_children(const ProcessStat& parent);
    Result<Pids> threads_of(const ProcessStat& process);
    Result<Processes> scanned_children(std::uint64_t parent);
    Result<Processes> scan();
    Result<void> append_orphans(const Group& group, Processes& processes);

    Totals account(Group& group, const Processes& processes);
    Member& member(Group& group, const ProcessStat& process);
    void account_io(Group& group, Member& member, std::uint64_t pid, Totals& totals);
    void count_fds(std::uint64_t pid, Totals& totals);
    void add(std::vector<Sample>& samples, const Group& group, const Totals& totals,
             Timestamp at) const;
    bool may_be_born_after(std::uint64_t start_ticks, Timestamp at) const;

    /// None: the process is gone.
    Result<std::optional<ProcessStat>> stat_of(std::uint64_t pid);
    template <class... Parts>
    const char* path_of(const Parts&... parts);

    std::string procfs_;
    FileReader host_stat_;
    std::uint64_t own_epoch_;
    std::uint64_t ticks_per_second_;
    std::uint64_t page_bytes_;
    std::vector<Group> groups_;
    std::optional<std::uint64_t> boot_seconds_;  ///< Unix time of the boot
    std::optional<Processes> scanned_;           ///< in this reading, by parent
    std::string path_;                           ///< used again for every file
    std::string buffer_;                         ///< of the last file read
};

/// Every metric that ProcessCollector can emit.
std::span<const MetricInfo> process_metrics();

}  // namespace holdfast::collectors
