#pragma once
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "collectors/metric_info.h"
#include "daemon/exposition.h"
#include "model/sample.h"

namespace holdfast::daemon {

/// The latest sample of every series of holdfast's own, as /metrics shows them: names and labels
/// are rendered once, a scrape only writes numbers. Other people's scraped series are not shown:
/// their names are theirs to answer for.
class LiveBoard {
public:
    explicit LiveBoard(const std::vector<collectors::MetricInfo>& metrics);

    void observe(const Reading& reading);
    /// Writes what was seen within `stale_after` of `now`; older series are forgotten.
    void write(TextPage& page, Timestamp now);

    static constexpr Milliseconds stale_after = std::chrono::minutes{5};

private:
    struct Line {
        std::shared_ptr<const Series> series;  ///< keeps the address, which is the key, alive
        std::string rendered;
        double value;
        Timestamp at;
    };
    struct Family {
        SeriesType type;
        std::string help;
        std::vector<Line> lines;
    };
    struct Place {
        Family* family;  ///< null: not shown
        std::size_t line;
    };

    std::size_t line_for(Family& family, const std::shared_ptr<const Series>& series);

    std::map<std::string, Family, std::less<>> families_;
    std::unordered_map<const Series*, Place> places_;
};

}  // namespace holdfast::daemon
