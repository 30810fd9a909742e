#pragma once
#include <filesystem>

namespace holdfast::collectors {

/// Where the host is read: the flags --paths.*. In a container the host's trees are mounted
/// elsewhere; in a test they are fixtures.
struct Paths {
    std::filesystem::path procfs = "/proc";
    std::filesystem::path sysfs = "/sys";
    std::filesystem::path cgroupfs = "/sys/fs/cgroup";
    std::filesystem::path rootfs = "/";  ///< put before every mount point that is asked for space
};

}  // namespace holdfast::collectors
