#include "collectors/metrics.h"

#include <array>
#include <span>

#include "collectors/logs/log_file_collector.h"
#include "collectors/probes/http_probe.h"
#include "collectors/scrape/scrape_collector.h"
#include "collectors/services/process_collector.h"
#include "collectors/system/cpu_collector.h"
#include "collectors/system/disk_collector.h"
#include "collectors/system/filesystem_collector.h"
#include "collectors/system/memory_collector.h"
#include "collectors/system/network_collector.h"
#include "collectors/system/pressure_collector.h"

namespace holdfast::collectors {
namespace {

constexpr std::array tables{
    &cpu_metrics,         //
    &pressure_metrics,    //
    &memory_metrics,      //
    &disk_metrics,        //
    &network_metrics,     //
    &filesystem_metrics,  //
    &process_metrics,     //
    &probe_metrics,       //
    &scrape_metrics,      //
    &log_metrics,         //
};

}  // namespace

std::vector<MetricInfo> all_metrics() {
    std::vector<MetricInfo> all;
    for (const auto table : tables) {
        const auto metrics = table();
        all.insert(all.end(), metrics.begin(), metrics.end());
    }
    return all;
}

}  // namespace holdfast::collectors
