#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "collectors/scrape/text_parser.h"
#include "collectors/support/utf8.h"

namespace {

void require(bool holds) {
    if (!holds) {
        std::abort();
    }
}

bool lies_in(std::string_view part, std::string_view whole) {
    return part.empty() || (part.data() >= whole.data() &&
                            part.data() + part.size() <= whole.data() + whole.size());
}

}  // namespace

/// Any bytes are a page or an error; what is a page has views into it, labels that are UTF-8, and
/// is read the same way when one of its series comes alone.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace holdfast::collectors;
    const std::string_view page{reinterpret_cast<const char*>(data), size};
    const ScrapeLimits limits{.max_bytes = 1 << 16, .max_series = 8, .max_label_bytes = 64};
    (void)first_value(page, "a");
    (void)labels_of(page);
    const auto parsed = parse_page(page, limits, nullptr);
    if (!parsed) {
        require(is_utf8(parsed.error().message()));
        return 0;
    }
    require(parsed->samples.size() <= limits.max_series);
    for (const auto& sample : parsed->samples) {
        require(lies_in(sample.text, page) && sample.text.starts_with(sample.metric));
        for (const auto& [name, value] : labels_of(sample.text)) {
            require(!name.empty() && !value.empty() && is_utf8(value));
        }
        const auto line = std::string{sample.text} + " 1\n";
        const auto alone = parse_page(line, {}, nullptr);
        require(alone && alone->samples.size() == 1 && alone->samples[0].text == sample.text);
    }
    return 0;
}
