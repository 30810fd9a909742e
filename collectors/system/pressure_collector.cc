#include "collectors/system/pressure_collector.h"

#include "collectors/support/text.h"

namespace holdfast::collectors {
namespace {

constexpr std::array metrics{
    MetricInfo{"holdfast_pressure_seconds_total", SeriesType::counter,
               "Time that some or all (full) tasks stalled for a resource since the boot"},
};

std::shared_ptr<const Series> stalled(const std::string& resource, std::string_view kind) {
    return std::make_shared<const Series>(
        Series{std::string{metrics[0].name},
               {{"resource", resource}, {"kind", std::string{kind}}},
               SeriesType::counter});
}

std::optional<std::uint64_t> total_microseconds(std::string_view averages) {
    constexpr std::string_view prefix = "total=";
    for (auto field = next_field(averages); !field.empty(); field = next_field(averages)) {
        if (field.starts_with(prefix)) {
            return to_unsigned(field.substr(prefix.size()));
        }
    }
    return std::nullopt;
}

void add(std::vector<Sample>& samples, const std::shared_ptr<const Series>& series, Timestamp at,
         const std::optional<std::uint64_t>& microseconds) {
    if (microseconds) {
        samples.push_back({series, at, static_cast<double>(*microseconds) / 1e6});
    }
}

}  // namespace

Result<Pressure> parse_pressure(std::string_view text) {
    Pressure pressure;
    while (!text.empty()) {
        auto line = next_line(text);
        const auto kind = next_field(line);
        if (kind == "some") {
            pressure.some_microseconds = total_microseconds(line);
        } else if (kind == "full") {
            pressure.full_microseconds = total_microseconds(line);
        }
    }
    if (!pressure.some_microseconds && !pressure.full_microseconds) {
        return failure(Errc::parse, "no line 'some|full … total=<microseconds>'");
    }
    return pressure;
}

PressureCollector::PressureCollector(const Paths& paths, const PressureOptions& /*options*/)
    : epoch_{paths.procfs},
      resources_{resource(paths, "cpu"), resource(paths, "memory"), resource(paths, "io"),
                 resource(paths, "irq")} {}

PressureCollector::Resource PressureCollector::resource(const Paths& paths,
                                                        const std::string& name) {
    return {FileReader{paths.procfs / "pressure" / name}, stalled(name, "some"),
            stalled(name, "full")};
}

boost::asio::awaitable<Result<Reading>> PressureCollector::collect(Timestamp now) {
    Reading reading{epoch_.read(), {}};
    reading.samples.reserve(2 * resources_.size());
    std::optional<Error> worst;
    const auto note = [&worst](const Error& error) {
        if (!worst || (worst->code() == Errc::unsupported && error.code() != Errc::unsupported)) {
            worst = error;
        }
    };
    for (auto& resource : resources_) {
        const auto text = resource.file.read();
        if (!text) {
            note(text.error());
            continue;
        }
        const auto pressure = parse_pressure(*text);
        if (!pressure) {
            note(pressure.error().while_doing(resource.file.path().native()));
            continue;
        }
        add(reading.samples, resource.some, now, pressure->some_microseconds);
        add(reading.samples, resource.full, now, pressure->full_microseconds);
    }
    if (reading.samples.empty() && worst) {
        co_return tl::unexpected(*worst);
    }
    co_return reading;
}

std::span<const MetricInfo> pressure_metrics() {
    return metrics;
}

}  // namespace holdfast::collectors
