#include "collectors/system/network_collector.h"

#include "tests/collectors/fixture_tree.h"

namespace holdfast::collectors {
namespace {
using ::testing::HasSubstr;
using namespace std::chrono_literals;

constexpr std::string_view headings =
    "Inter-|   Receive                                                |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop "
    "fifo colls carrier compressed\n";

std::string of(std::string_view metric, std::string_view device, std::string_view dir) {
    return fmt::format("holdfast_network_{}_total{{device=\"{}\",dir=\"{}\"}}", metric, device,
                       dir);
}

std::string up(std::string_view device) {
    return fmt::format("holdfast_network_up{{device=\"{}\"}}", device);
}

std::string line(std::string_view device, std::uint64_t bytes) {
    return fmt::format("{}: {} 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", device, bytes);
}

TEST(NetworkCollector, ReadsTheTypicalHost) {
    NetworkCollector collector{typical_host()};
    const auto reading = read(collector);
    expect_documented(reading, network_metrics(), noon);
    EXPECT_EQ(reading.samples.size(), 27);  // eth0, eth1, wg0
    EXPECT_EQ(value(reading, of("bytes", "eth0", "receive")), 812345678901);
    EXPECT_EQ(value(reading, of("packets", "eth0", "receive")), 912345678);
    EXPECT_EQ(value(reading, of("errors", "eth0", "receive")), 3);
    EXPECT_EQ(value(reading, of("drops", "eth0", "receive")), 41);
    EXPECT_EQ(value(reading, of("bytes", "eth0", "transmit")), 412345678901);
    EXPECT_EQ(value(reading, of("packets", "eth0", "transmit")), 712345678);
    EXPECT_EQ(value(reading, of("errors", "eth0", "transmit")), 1);
    EXPECT_EQ(value(reading, of("drops", "eth0", "transmit")), 5);
    EXPECT_EQ(value(reading, up("eth0")), 1);
    EXPECT_EQ(value(reading, up("eth1")), 0);
    EXPECT_EQ(value(reading, up("wg0")), 1);  // says unknown: it has no carrier
}

TEST(NetworkCollector, ExcludesInterfacesOfContainersByDefaultAsPitfall45Demands) {
    const FixtureTree tree;
    std::string table{headings};
    for (const auto* name : {"veth1", "docker0", "br-1234", "cali1", "cni0", "virbr0", "lo"}) {
        table += line(name, 1);
    }
    tree.write("proc/net/dev", table + line("lo1", 1) + line("br0", 1));
    NetworkCollector collector{tree.paths()};
    const auto reading = read(collector);
    EXPECT_EQ(reading.samples.size(), 16);
    EXPECT_EQ(value(reading, of("bytes", "lo1", "receive")), 1);
    EXPECT_EQ(value(reading, of("bytes", "br0", "receive")), 1);
}

TEST(NetworkCollector, TakesItsExclusionFromTheOptions) {
    NetworkCollector collector{typical_host(), {.exclude = "^eth"}};
    const auto reading = read(collector);
    EXPECT_EQ(value(reading, of("bytes", "lo", "receive")), 91234567);
    EXPECT_EQ(value(reading, up("lo")), 1);
    EXPECT_EQ(value(reading, of("bytes", "eth0", "receive")), std::nullopt);
}

TEST(NetworkCollector, FollowsTheStateOfAnInterface) {
    const FixtureTree tree;
    tree.write("proc/net/dev", line("eth0", 1));
    NetworkCollector collector{tree.paths()};
    EXPECT_EQ(value(read(collector), up("eth0")), std::nullopt);  // no such file: absent, not down
    tree.write("sys/class/net/eth0/operstate", "up\n");
    EXPECT_EQ(value(read(collector), up("eth0")), 1);
    tree.replace("sys/class/net/eth0/operstate", "lowerlayerdown\n");
    EXPECT_EQ(value(read(collector), up("eth0")), 0);
    tree.remove("sys/class/net/eth0/operstate");
    EXPECT_EQ(value(read(collector), up("eth0")), std::nullopt);
}

TEST(NetworkCollector, FollowsInterfacesThatComeAndGo) {
    const FixtureTree tree;
    tree.write("proc/net/dev", line("eth0", 5));
    NetworkCollector collector{tree.paths()};
    EXPECT_EQ(read(collector).samples.size(), 8);
    tree.write("proc/net/dev", line("eth0", 6) + line("eth1", 7));
    EXPECT_EQ(read(collector, noon + 1s).samples.size(), 16);
    tree.write("proc/net/dev", line("eth1", 8));
    const auto reading = read(collector, noon + 10min);
    EXPECT_EQ(value(reading, of("bytes", "eth0", "receive")), std::nullopt);
    EXPECT_EQ(value(reading, of("bytes", "eth1", "receive")), 8);
}

TEST(NetworkCollector, NamesTheFileItCouldNotRead) {
    NetworkCollector collector{Paths{.procfs = FIXTURES "/absent"}};
    const auto reading = holdfast::testing::run(collector.collect(noon));
    ASSERT_FALSE(reading);
    EXPECT_EQ(reading.error().code(), Errc::unsupported);
    EXPECT_THAT(reading.error().message(), HasSubstr("net/dev: No such file or directory"));
}

TEST(ParseNetDev, LeavesOutHeadingsAndTornLines) {
    EXPECT_TRUE(parse_net_dev(headings).empty());
    EXPECT_TRUE(parse_net_dev("eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n").empty());
    EXPECT_TRUE(parse_net_dev("eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x\n").empty());
    EXPECT_EQ(parse_net_dev("eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16").size(), 1);
}

TEST(ParseNetDev, TakesANameThatSticksToItsFirstNumberAndOneWithAColon) {
    const auto text =
        "  eth0:18446744073709551615 2 3 4 5 6 7 8 9 1 1 1 1 1 1 1\n" + line("eth0:1", 7);
    const auto lines = parse_net_dev(text);
    ASSERT_EQ(lines.size(), 2);
    EXPECT_EQ(lines[0].device, "eth0");
    EXPECT_EQ(lines[0].receive.bytes, 18446744073709551615U);
    EXPECT_EQ(lines[1].device, "eth0:1");
    EXPECT_EQ(lines[1].receive.bytes, 7);
}

TEST(IsUp, TakesUnknownForUpAndEveryOtherWordForDown) {
    EXPECT_EQ(is_up("up\n"), true);
    EXPECT_EQ(is_up("unknown\n"), true);
    for (const auto* word : {"down\n", "dormant\n", "testing", "notpresent", "lowerlayerdown"}) {
        EXPECT_EQ(is_up(word), false) << word;
    }
    EXPECT_EQ(is_up("\n"), std::nullopt);
}

}  // namespace
}  // namespace holdfast::collectors
