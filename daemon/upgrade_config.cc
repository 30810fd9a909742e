#include "daemon/upgrade_config.h"

#include <fmt/format.h>

namespace holdfast::daemon {
namespace {

template <class T>
void check_size(Section& s, const char* key, const std::vector<T>& list, std::size_t most) {
    if (list.size() > most) {
        s.wrong(key, fmt::format("has {} items, at most {}", list.size(), most));
    }
}

}  // namespace

void read_load(Section& section, std::vector<std::string>& out) {
    constexpr std::string_view counter = "_total";
    section.read("load", out);
    check_size(section, "load", out, load_max);
    for (auto& name : out) {
        if (name.ends_with(counter)) {
            name.replace(name.size() - counter.size(), counter.size(), "_per_second");
        }
    }
}

}  // namespace holdfast::daemon
