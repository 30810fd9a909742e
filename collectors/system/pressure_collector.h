#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "collectors/collector.h"
#include "collectors/metric_info.h"
#include "collectors/paths.h"
#include "collectors/support/boot_epoch.h"
#include "collectors/support/file_reader.h"

namespace holdfast::collectors {

struct PressureOptions {};  ///< nothing to choose

/// Time that tasks stalled for one resource, in microseconds since the boot; absent what this
/// kernel does not have: Linux 5.10 has no `full` for cpu, no kernel has `some` for irq.
struct Pressure {
    std::optional<std::uint64_t> some_microseconds;
    std::optional<std::uint64_t> full_microseconds;
};

/// Text of /proc/pressure/*: lines `some|full avg10=… avg60=… avg300=… total=<microseconds>`
/// (Documentation/accounting/psi.rst). A torn line is absent; Errc::parse when none is left.
Result<Pressure> parse_pressure(std::string_view text);

/// Pressure stall information of the host from <procfs>/pressure/{cpu,memory,io,irq}: the best
/// early sign of saturation, 3 us a file. A file that cannot be read costs its own samples only.
/// Errc::unsupported when this kernel has none of them, or PSI is switched off at boot.
class PressureCollector final : public Collector {
public:
    explicit PressureCollector(const Paths& paths, const PressureOptions& options = {});

    std::string_view name() const override { return "pressure"; }
    boost::asio::awaitable<Result<Reading>> collect(Timestamp now) override;

private:
    struct Resource {
        FileReader file;
        std::shared_ptr<const Series> some;
        std::shared_ptr<const Series> full;
    };

    static Resource resource(const Paths& paths, const std::string& name);

    BootEpoch epoch_;
    std::array<Resource, 4> resources_;
};

/// Every metric that PressureCollector can emit.
std::span<const MetricInfo> pressure_metrics();

}  // namespace holdfast::collectors
