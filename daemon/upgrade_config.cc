#include "daemon/upgrade_config.h"

#include <fmt/format.h>

namespace holdfast::daemon {
namespace {

constexpr std::size_t text_max = 256;

template <class T>
void check_size(Section& s, const char* key, const std::vector<T>& list, std::size_t most) {
    if (list.size() > most) {
        s.wrong(key, fmt::format("has {} items, at most {}", list.size(), most));
    }
}

void read_text(Section& s, const char* key, std::string& out) {
    s.read(key, out);
    if (out.empty() || out.size() > text_max) {
        s.wrong(key, out.empty()
                         ? std::string{"is missing"}
                         : fmt::format("has {} characters, at most {}", out.size(), text_max));
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

void read_exclusions(Section& section, std::vector<Exclusion>& out) {
    section.sections("exclude", [&out](Section& s) {
        Exclusion exclusion;
        for (auto [key, at] :
             {std::pair{"from", &exclusion.window.begin}, std::pair{"to", &exclusion.window.end}}) {
            s.read(key, *at);
            if (!s.has(key)) {
                s.wrong(key, "is missing");
            }
        }
        if (s.has("from") && s.has("to") && exclusion.window.end <= exclusion.window.begin) {
            s.wrong("to", "must be after 'from'");
        }
        read_text(s, "reason", exclusion.reason);
        out.push_back(std::move(exclusion));
    });
    check_size(section, "exclude", out, exclusions_max);
}

}  // namespace holdfast::daemon
