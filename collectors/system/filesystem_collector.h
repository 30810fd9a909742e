#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "collectors/collector.h"
#include "collectors/metric_info.h"
#include "collectors/paths.h"
#include "collectors/support/boot_epoch.h"
#include "collectors/support/detached_calls.h"
#include "collectors/support/file_reader.h"

namespace holdfast::collectors {

/// One mounted file system: the labels of its series and how it is mounted. Valid UTF-8, except
/// for `path`, which has the bytes of the kernel.
struct Mount {
    std::string mountpoint;
    std::string device;
    std::string fstype;
    std::string path;  ///< the mount point as it is on the host
    bool readonly = false;
};

/// Text of /proc/PID/mountinfo (proc(5)), octal escapes decoded. Of several mounts on one path only
/// the last is there: it is the one that can be seen (node_exporter#2805, #3261). Read-only when
/// the mount is, or the file system itself, as after an error (node_exporter#591). Torn lines are
/// left out.
std::vector<Mount> parse_mountinfo(std::string_view text);

/// What statfs(2) says of a file system.
struct FilesystemSpace {
    std::uint64_t size_bytes = 0;
    std::uint64_t avail_bytes = 0;  ///< to users who are not root
    std::uint64_t inodes = 0;       ///< 0: this file system does not count them
    std::uint64_t inodes_free = 0;
};

/// Asks the file system at `path`. Called on detached threads, may hang for ever.
using StatfsFunction = std::function<Result<FilesystemSpace>(const std::string& path)>;

/// statfs(2). Errc::denied, unsupported or io as FileReader::read().
Result<FilesystemSpace> system_statfs(const std::string& path);

struct FilesystemOptions {
    /// Types that hold no data of the operator's, or are full by nature.
    std::vector<std::string> exclude_types{
        "autofs",     "binfmt_misc", "bpf",        "cgroup",    "cgroup2",  "configfs",
        "debugfs",    "devpts",      "devtmpfs",   "efivarfs",  "fusectl",  "hugetlbfs",
        "iso9660",    "mqueue",      "nsfs",       "overlay",   "proc",     "pstore",
        "ramfs",      "rootfs",      "rpc_pipefs", "selinuxfs", "squashfs", "securityfs",
        "fuse.lxcfs", "sysfs",       "tmpfs",      "tracefs"};
    /// Types with a server that may not answer: each such mount has a thread of its own. A '*' at
    /// the end stands for anything.
    std::vector<std::string> network_types{"nfs",   "nfs4", "cifs",      "smb3",
                                           "smbfs", "ceph", "glusterfs", "lustre",
                                           "afs",   "9p",   "fuse",      "fuse.*"};
    /// A mount that has not answered by then is stuck. Shorter than the scheduler's own timeout.
    Milliseconds deadline{2000};
};

/// Space, inodes and state of the mounted file systems: the table of <procfs>/1/mountinfo, or of
/// <procfs>/self/mountinfo when that is not readable (node_exporter#1171), which is logged once;
/// statfs(2) of <rootfs><mountpoint> on detached threads. A mount that does not answer is stuck,
/// and is not asked again before that very call has returned (node_exporter#578, #1353). It delays
/// the others at most by the deadline: network mounts have a call each; local ones share one, and
/// have a call each after one of them was stuck, until all answer again. A mount that answers with
/// an error has no sizes; one that was not reached in this round, behind a stuck one, has no
/// `stuck` either.
class FilesystemCollector final : public Collector {
public:
    /// `calls` outlives the collector and has room for a call per stuck mount.
    FilesystemCollector(const Paths& paths, FilesystemOptions options, DetachedCalls& calls,
                        StatfsFunction statfs = system_statfs);

    std::string_view name() const override { return "filesystem"; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    class Batch;

    struct SeriesSet {
        std::shared_ptr<const Series> size;
        std::shared_ptr<const Series> avail;
        std::shared_ptr<const Series> inodes;
        std::shared_ptr<const Series> inodes_free;
        std::shared_ptr<const Series> readonly;
        std::shared_ptr<const Series> stuck;
    };
    struct Answer {
        bool came = false;  ///< also with an error: then there is no space
        std::optional<FilesystemSpace> space;
    };
    struct Watched {
        Mount mount;
        std::string path;  ///< below rootfs
        bool network = false;
        std::shared_ptr<std::atomic<bool>> asked;  ///< a call is out; shared with its thread
        SeriesSet series;
        Answer answer;
    };

    Result<std::string_view> read_table();
    void watch(std::string_view table);
    SeriesSet series_of(const Mount& mount) const;
    std::vector<std::shared_ptr<Batch>> batches();
    boost::asio::awaitable<void> ask_all(const std::vector<std::shared_ptr<Batch>>& batches);
    boost::asio::awaitable<void> ask(std::shared_ptr<Batch> batch);
    void take_answers(const std::vector<std::shared_ptr<Batch>>& batches);
    void add(std::vector<Sample>& samples, const Watched& watched, Timestamp at) const;

    BootEpoch epoch_;
    FileReader init_table_;
    FileReader own_table_;
    bool fell_back_ = false;
    std::string rootfs_;  ///< without a slash at the end: empty for /
    FilesystemOptions options_;
    DetachedCalls& calls_;
    StatfsFunction statfs_;
    std::string table_;  ///< text that `watched_` was made of
    std::vector<Watched> watched_;
    std::map<std::string, std::shared_ptr<std::atomic<bool>>> asked_;  ///< by path below rootfs
    bool local_together_ = true;
};

/// Every metric that FilesystemCollector can emit.
std::span<const MetricInfo> filesystem_metrics();

}  // namespace holdfast::collectors
