#include "collectors/system/filesystem_collector.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include "tests/collectors/fixture_tree.h"

namespace holdfast::collectors {
namespace {
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr FilesystemSpace space{1000, 400, 50, 20};

/// Answers at once, except for paths that are closed: those hang until they are opened again.
class FakeDisks {
public:
    FakeDisks() = default;
    ~FakeDisks() {
        const std::lock_guard lock{state_->mutex};
        state_->closed.clear();
        state_->changed.notify_all();
    }
    FakeDisks(const FakeDisks&) = delete;
    FakeDisks(FakeDisks&&) = delete;
    FakeDisks& operator=(const FakeDisks&) = delete;
    FakeDisks& operator=(FakeDisks&&) = delete;

    StatfsFunction statfs() const {
        return [state = state_](const std::string& path) -> Result<FilesystemSpace> {
            std::unique_lock lock{state->mutex};
            ++state->calls[path];
            state->in_flight_max = std::max(state->in_flight_max, ++state->in_flight[path]);
            state->changed.wait(lock, [&] { return !state->closed.contains(path); });
            --state->in_flight[path];
            if (state->failing.contains(path)) {
                return failure(Errc::denied, "read {}: no", path);
            }
            return space;
        };
    }
    void close(const std::string& path) {
        change([&] { state_->closed.insert(path); });
    }
    void open(const std::string& path) {
        change([&] { state_->closed.erase(path); });
    }
    void fail(const std::string& path) {
        change([&] { state_->failing.insert(path); });
    }
    int calls(const std::string& path) const {
        const std::lock_guard lock{state_->mutex};
        return state_->calls[path];
    }
    /// Of one path at a time.
    int in_flight_max() const {
        const std::lock_guard lock{state_->mutex};
        return state_->in_flight_max;
    }

private:
    struct State {
        std::mutex mutex;
        std::condition_variable changed;
        std::set<std::string> closed;
        std::set<std::string> failing;
        std::map<std::string, int> calls;
        std::map<std::string, int> in_flight;
        int in_flight_max = 0;
    };

    template <class Change>
    void change(Change change) {
        const std::lock_guard lock{state_->mutex};
        change();
        state_->changed.notify_all();
    }

    std::shared_ptr<State> state_ = std::make_shared<State>();
};

void wait_until_none_is_pending(const DetachedCalls& calls) {
    while (calls.pending() != 0) {
        std::this_thread::yield();
    }
}

std::string line(std::string_view mountpoint, std::string_view fstype, std::string_view device,
                 std::string_view options = "rw", std::string_view super = "rw") {
    return fmt::format("36 35 98:0 / {} {} - {} {} {}\n", mountpoint, options, fstype, device,
                       super);
}

std::string of(std::string_view metric, std::string_view mountpoint, std::string_view device,
               std::string_view fstype) {
    return fmt::format("holdfast_filesystem_{}{{device=\"{}\",fstype=\"{}\",mountpoint=\"{}\"}}",
                       metric, device, fstype, mountpoint);
}

/// Mount points for which `metric` has the value `wanted`.
std::vector<std::string> with(const Reading& reading, std::string_view metric, double wanted) {
    std::vector<std::string> found;
    for (const auto& sample : reading.samples) {
        if (sample.series->metric == metric && sample.value == wanted) {
            found.push_back(sample.series->labels.at("mountpoint"));
        }
    }
    return found;
}

std::vector<std::string> stuck(const Reading& reading) {
    return with(reading, "holdfast_filesystem_stuck", 1);
}
std::vector<std::string> answered(const Reading& reading) {
    return with(reading, "holdfast_filesystem_size_bytes", 1000);
}

FilesystemOptions patient() {
    FilesystemOptions options;
    options.deadline = 60s;
    return options;
}
FilesystemOptions impatient() {
    FilesystemOptions options;
    options.deadline = 500ms;  // spent once per test: then the call is known to hang
    return options;
}

TEST(FilesystemCollector, ReadsTheTypicalHost) {
    DetachedCalls calls{8};
    const FakeDisks disks;
    FilesystemCollector collector{typical_host(), patient(), calls, disks.statfs()};
    const auto reading = read(collector);
    expect_documented(reading, filesystem_metrics(), noon);
    EXPECT_THAT(answered(reading), ElementsAre("/", "/boot", "/srv/data", "/mnt/back up"));
    EXPECT_EQ(reading.samples.size(), 24);
    const auto root = [&](std::string_view metric) {
        return value(reading, of(metric, "/", "/dev/mapper/vg0-root", "ext4"));
    };
    EXPECT_EQ(root("size_bytes"), 1000);
    EXPECT_EQ(root("avail_bytes"), 400);
    EXPECT_EQ(root("inodes"), 50);
    EXPECT_EQ(root("inodes_free"), 20);
    EXPECT_EQ(root("readonly"), 0);
    EXPECT_EQ(root("stuck"), 0);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, AsksBelowRootfsAsPitfall10Demands) {
    DetachedCalls calls{8};
    const FakeDisks disks;
    FilesystemCollector collector{typical_host(), patient(), calls, disks.statfs()};
    read(collector);
    EXPECT_EQ(disks.calls(FIXTURES "/host_typical/root/srv/data"), 1);
    EXPECT_EQ(disks.calls(FIXTURES "/host_typical/root/mnt/back up"), 1);
    EXPECT_EQ(disks.calls("/srv/data"), 0);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, AsksTheSystemByDefault) {
    DetachedCalls calls{8};
    FilesystemCollector collector{typical_host(), patient(), calls};
    const auto reading = read(collector);
    const auto size = value(reading, of("size_bytes", "/boot", "/dev/sda1", "ext4"));
    ASSERT_TRUE(size);
    EXPECT_GT(*size, 1e6);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, SaysReadOnlyOfTheMountAndOfTheFileSystemAsPitfall13Demands) {
    DetachedCalls calls{8};
    const FakeDisks disks;
    FilesystemCollector collector{typical_host(), patient(), calls, disks.statfs()};
    EXPECT_THAT(with(read(collector), "holdfast_filesystem_readonly", 1),
                ElementsAre("/boot", "/mnt/back up"));
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, TakesTheLastMountOnAPathAsPitfall9Demands) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo",
               line("/data", "ext4", "/dev/old") + line("/data", "ext4", "/dev/new") +
                   line("/hidden", "ext4", "/dev/x") + line("/hidden", "tmpfs", "tmpfs"));
    DetachedCalls calls{8};
    const FakeDisks disks;
    FilesystemCollector collector{tree.paths(), patient(), calls, disks.statfs()};
    const auto reading = read(collector);
    EXPECT_EQ(reading.samples.size(), 6);
    EXPECT_EQ(value(reading, of("stuck", "/data", "/dev/new", "ext4")), 0);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, MakesLabelsValidAndDistinctAsPitfall31Demands) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo", line("/a\xFF", "ext4", "/dev/a") +
                                       line("/a\xFE", "ext4", "/dev/a") +
                                       line("/gr\xC3\xB6\xC3\x9F", "ext4", "/dev/b"));
    DetachedCalls calls{8};
    const FakeDisks disks;
    FilesystemCollector collector{tree.paths(), patient(), calls, disks.statfs()};
    const auto reading = read(collector);
    expect_documented(reading, filesystem_metrics(), noon);
    EXPECT_THAT(answered(reading), ElementsAre("/a\xEF\xBF\xBD", "/gr\xC3\xB6\xC3\x9F"));
    EXPECT_EQ(disks.calls((tree.root() / "root/a\xFF").native()), 1);  // bytes stay bytes
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, FallsBackToItsOwnTableAsPitfall11Demands) {
    const FixtureTree tree;
    tree.write("proc/self/mountinfo", line("/", "ext4", "/dev/own"));
    DetachedCalls calls{8};
    const FakeDisks disks;
    FilesystemCollector collector{tree.paths(), patient(), calls, disks.statfs()};
    EXPECT_THAT(answered(read(collector)), ElementsAre("/"));
    tree.remove("proc/self");
    const auto reading = holdfast::testing::run(collector.collect(noon));
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code(), Errc::unsupported);
    EXPECT_THAT(reading.error().message(), HasSubstr("/proc/1/mountinfo: No such file"));
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, StripsRootfsFromATableThatWasMadeOutsideOfIt) {
    const FixtureTree tree;
    const auto root = tree.paths().rootfs.native();
    tree.write("proc/1/mountinfo", line(root, "ext4", "/dev/a") +
                                       line(root + "/srv", "ext4", "/dev/b") +
                                       line(root + "x", "ext4", "/dev/c"));
    DetachedCalls calls{8};
    const FakeDisks disks;
    FilesystemCollector collector{tree.paths(), patient(), calls, disks.statfs()};
    EXPECT_THAT(answered(read(collector)), ElementsAre("/", "/srv", root + "x"));
    EXPECT_EQ(disks.calls(root + "/srv"), 1);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, DropsAnUnmountedDiskAsPitfall12Demands) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo", line("/", "ext4", "/dev/a") + line("/usb", "ext4", "/dev/b"));
    DetachedCalls calls{8};
    const FakeDisks disks;
    FilesystemCollector collector{tree.paths(), patient(), calls, disks.statfs()};
    const auto before = read(collector);
    EXPECT_THAT(answered(before), ElementsAre("/", "/usb"));
    tree.replace("proc/1/mountinfo", line("/", "ext4", "/dev/a"));
    wait_until_none_is_pending(calls);
    const auto after = read(collector);
    EXPECT_THAT(answered(after), ElementsAre("/"));
    EXPECT_EQ(after.samples.front().series, before.samples.front().series);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, HasNoSizesOfAMountThatAnswersWithAnError) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo", line("/a", "ext4", "/dev/a") + line("/b", "ext4", "/dev/b"));
    DetachedCalls calls{8};
    FakeDisks disks;
    disks.fail((tree.root() / "root/a").native());
    FilesystemCollector collector{tree.paths(), patient(), calls, disks.statfs()};
    const auto reading = read(collector);
    EXPECT_THAT(answered(reading), ElementsAre("/b"));
    EXPECT_EQ(value(reading, of("stuck", "/a", "/dev/a", "ext4")), 0);
    EXPECT_EQ(value(reading, of("readonly", "/a", "/dev/a", "ext4")), 0);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, HasNoInodesOfAFileSystemThatDoesNotCountThem) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo", line("/a", "btrfs", "/dev/a"));
    DetachedCalls calls{8};
    auto statfs = [](const std::string&) -> Result<FilesystemSpace> {
        return FilesystemSpace{1000, 400, 0, 0};
    };
    FilesystemCollector collector{tree.paths(), patient(), calls, statfs};
    const auto reading = read(collector);
    EXPECT_THAT(answered(reading), ElementsAre("/a"));
    EXPECT_EQ(value(reading, of("inodes", "/a", "/dev/a", "btrfs")), std::nullopt);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, ReportsAHungNetworkMountAndAllOthersAsPitfall6Demands) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo", line("/nfs", "nfs4", "nas:/a") + line("/", "ext4", "/dev/a") +
                                       line("/smb", "cifs", "//nas/b") +
                                       line("/s", "fuse.sshfs", "h:") +
                                       line("/srv", "xfs", "/dev/b"));
    const auto nfs = (tree.root() / "root/nfs").native();
    DetachedCalls calls{8};
    FakeDisks disks;
    disks.close(nfs);
    FilesystemCollector collector{tree.paths(), impatient(), calls, disks.statfs()};
    const auto reading = read(collector);
    EXPECT_THAT(stuck(reading), ElementsAre("/nfs"));
    EXPECT_THAT(answered(reading), ElementsAre("/", "/smb", "/s", "/srv"));
    EXPECT_EQ(value(reading, of("readonly", "/nfs", "nas:/a", "nfs4")), 0);
    disks.open(nfs);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, NeverAsksAMountThatStillHangsAsPitfalls7And8Demand) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo", line("/nfs", "nfs", "nas:/a") + line("/", "ext4", "/dev/a"));
    const auto nfs = (tree.root() / "root/nfs").native();
    DetachedCalls calls{8};
    FakeDisks disks;
    disks.close(nfs);
    FilesystemCollector collector{tree.paths(), impatient(), calls, disks.statfs()};
    for (int round = 0; round < 4; ++round) {
        EXPECT_THAT(stuck(read(collector)), ElementsAre("/nfs"));
        EXPECT_EQ(disks.calls(nfs), 1);
    }
    disks.open(nfs);
    wait_until_none_is_pending(calls);
    const auto again = read(collector);
    EXPECT_THAT(stuck(again), IsEmpty());
    EXPECT_THAT(answered(again), ElementsAre("/nfs", "/"));
    EXPECT_EQ(disks.calls(nfs), 2);
    wait_until_none_is_pending(calls);
}

TEST(FilesystemCollector, IsolatesLocalMountsThatHangInTheNextRound) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo", line("/a", "ext4", "/dev/a") + line("/b", "ext4", "/dev/b") +
                                       line("/c", "ext4", "/dev/c") + line("/d", "xfs", "/dev/d"));
    const auto b = (tree.root() / "root/b").native();
    const auto c = (tree.root() / "root/c").native();
    DetachedCalls calls{8};
    FakeDisks disks;
    disks.close(b);
    disks.close(c);
    FilesystemCollector collector{tree.paths(), impatient(), calls, disks.statfs()};
    const auto first = read(collector);
    EXPECT_THAT(answered(first), ElementsAre("/a"));
    EXPECT_THAT(stuck(first), ElementsAre("/b"));
    // Not asked behind the one that hangs: unknown, neither stuck nor fine.
    EXPECT_EQ(value(first, of("stuck", "/d", "/dev/d", "xfs")), std::nullopt);
    for (int round = 0; round < 2; ++round) {
        const auto next = read(collector);
        EXPECT_THAT(answered(next), ElementsAre("/a", "/d"));
        EXPECT_THAT(stuck(next), ElementsAre("/b", "/c"));
        EXPECT_EQ(disks.calls(b), 1);
        EXPECT_EQ(disks.calls(c), 1);
    }
    disks.open(b);
    disks.open(c);
    wait_until_none_is_pending(calls);
    for (int round = 0; round < 2; ++round) {
        EXPECT_THAT(answered(read(collector)), ElementsAre("/a", "/b", "/c", "/d"));
        wait_until_none_is_pending(calls);
    }
    EXPECT_EQ(disks.in_flight_max(), 1);
}

TEST(FilesystemCollector, MayEndWhileAMountHangs) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo", line("/a", "ext4", "/dev/a") + line("/b", "ext4", "/dev/b"));
    const auto a = (tree.root() / "root/a").native();
    DetachedCalls calls{8};
    FakeDisks disks;
    disks.close(a);
    {
        FilesystemCollector collector{tree.paths(), impatient(), calls, disks.statfs()};
        EXPECT_THAT(stuck(read(collector)), ElementsAre("/a"));
    }
    disks.open(a);
    wait_until_none_is_pending(calls);
    EXPECT_EQ(disks.calls((tree.root() / "root/b").native()), 0);  // the call knows it is alone
}

TEST(FilesystemCollector, CallsNoMountStuckForWantOfCalls) {
    const FixtureTree tree;
    tree.write("proc/1/mountinfo", line("/a", "nfs", "nas:/a") + line("/b", "nfs", "nas:/b"));
    DetachedCalls calls{0};
    const FakeDisks disks;
    FilesystemCollector collector{tree.paths(), patient(), calls, disks.statfs()};
    const auto reading = read(collector);
    EXPECT_THAT(stuck(reading), IsEmpty());
    EXPECT_THAT(answered(reading), IsEmpty());
    EXPECT_EQ(reading.samples.size(), 2);  // readonly comes from the table
}

TEST(ParseMountinfo, DecodesOctalEscapes) {
    const auto mounts = parse_mountinfo(
        "36 35 98:0 / /a\\040b\\011c\\012d\\134e\\043f rw - nfs4 nas:/x\\040y rw\n");
    ASSERT_EQ(mounts.size(), 1);
    EXPECT_EQ(mounts.front().mountpoint, "/a b\tc\nd\\e#f");
    EXPECT_EQ(mounts.front().device, "nas:/x y");
    const auto plain = parse_mountinfo("36 35 98:0 / /a\\04\\8888\\ rw - ext4 d rw\n");
    EXPECT_EQ(plain.front().mountpoint, "/a\\04\\8888\\");
}

TEST(ParseMountinfo, TakesAnyNumberOfOptionalFieldsAndAnEmptySource) {
    const auto mounts = parse_mountinfo(
        "36 35 98:0 / /a rw shared:1 master:2 unbindable - ext4 /dev/a rw\n"
        "36 35 98:0 / /b rw - ext4 /dev/b rw\n"
        "36 35 98:0 / /c rw - fuse.x  ro,user_id=0\n");
    ASSERT_EQ(mounts.size(), 3);
    EXPECT_EQ(mounts[0].device, "/dev/a");
    EXPECT_EQ(mounts[1].device, "/dev/b");
    EXPECT_EQ(mounts[2].device, "");
    EXPECT_TRUE(mounts[2].readonly);
}

TEST(ParseMountinfo, TakesWholeOptionsOnlyForReadOnly) {
    const auto mounts = parse_mountinfo(line("/a", "ext4", "d", "rw,errors=ro", "rw,ro_x") +
                                        line("/b", "ext4", "d", "relatime,ro") +
                                        line("/c", "ext4", "d", "rw", "errors=x,ro"));
    ASSERT_EQ(mounts.size(), 3);
    EXPECT_FALSE(mounts[0].readonly);
    EXPECT_TRUE(mounts[1].readonly);
    EXPECT_TRUE(mounts[2].readonly);
}

TEST(ParseMountinfo, DropsTornLinesOnly) {
    const auto mounts =
        parse_mountinfo("36 35 98:0 / /a rw - ext4 /dev/a\n36 35 98:0 / /b rw shared:1\n\nx\n" +
                        line("/c", "ext4", "d"));
    ASSERT_EQ(mounts.size(), 1);
    EXPECT_EQ(mounts.front().mountpoint, "/c");
}

TEST(SystemStatfs, SaysWhichPathCannotBeAskedAndWhatToDo) {
    const auto space_of = system_statfs(FIXTURES "/absent");
    ASSERT_FALSE(space_of);
    EXPECT_EQ(space_of.error().code(), Errc::unsupported);
    EXPECT_THAT(space_of.error().message(),
                HasSubstr("/absent: No such file or directory; check --paths.rootfs"));
}

}  // namespace
}  // namespace holdfast::collectors
