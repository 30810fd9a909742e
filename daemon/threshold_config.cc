#include "daemon/threshold_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace holdfast::daemon {
namespace {

using Sort = Threshold::Sort;
using Side = Threshold::Side;

struct Form {
    const char* key;
    Sort sort;
    Side side;
};
constexpr std::array forms{Form{"above", Sort::hard, Side::above},
                           Form{"below", Sort::hard, Side::below},
                           Form{"above_usual", Sort::relative, Side::above},
                           Form{"below_usual", Sort::relative, Side::below},
                           Form{"burn_rate", Sort::burn_rate, Side::above}};
constexpr auto window_min = std::chrono::seconds{1};
constexpr auto window_max = std::chrono::hours{24 * 31};
constexpr auto within_max = std::chrono::hours{24 * 366};
constexpr auto over_min = std::chrono::minutes{1};  // of the default
constexpr auto over_max = std::chrono::hours{24 * 7};
constexpr int overs = 12;          // in a horizon, where nothing is said
constexpr int short_windows = 12;  // in a window, where nothing is said: The SRE Workbook's share

/// The first form that is there; none and more than one are errors.
const Form* form_of(Section& s) {
    const Form* found = nullptr;
    for (const auto& form : forms) {
        s.take(form.key);
        if (s.has(form.key) && found != nullptr) {
            s.wrong(form.key,
                    fmt::format("contradicts '{}'; a threshold has one of them", found->key));
        } else if (s.has(form.key)) {
            found = &form;
        }
    }
    if (found == nullptr) {
        s.wrong("above",
                "a threshold has one of 'above', 'below', 'above_usual', 'below_usual' and "
                "'burn_rate'");
    }
    return found;
}

void read_relative(Section& s, const Form& form, Threshold& out) {
    s.read(form.key, out.value);
    if (!(out.value > 0)) {
        s.wrong(form.key, "must be above 0: it is the share that the usual level may be left by");
    } else if (form.side == Side::below && out.value >= 1) {
        s.wrong(form.key, "must be below 100%; 'below' says a level in the signal's unit");
    }
}

void read_windows(Section& s, Threshold& out) {
    s.read("window", out.window);
    if (!s.has("window")) {
        s.wrong("window", "is missing: the long window, such as 1h");
        return;
    }
    if (out.window < window_min || out.window > window_max) {
        s.wrong("window",
                fmt::format("{} is out of range, 1s to 31d", format_duration(out.window)));
    }
    out.short_window = out.window / short_windows;
    s.read("short_window", out.short_window);
    if (out.short_window <= Milliseconds{0} || out.short_window > out.window / 2) {
        s.wrong("short_window", fmt::format("{} must be above 0 and at most half of the window",
                                            format_duration(out.short_window)));
    }
}

/// A level with `within` is one that is going to be reached.
void read_projected(Section& s, Threshold& out) {
    out.sort = Sort::projected;
    s.read("within", out.within);
    if (out.within < window_min || out.within > within_max) {
        s.wrong("within",
                fmt::format("{} is out of range, 1s to 366d", format_duration(out.within)));
        return;
    }
    out.over =
        std::min(out.within, std::clamp<Milliseconds>(out.within / overs, over_min, over_max));
    s.read("over", out.over);
    if (out.over < window_min || out.over > std::min<Milliseconds>(out.within, window_max)) {
        s.wrong("over", fmt::format("{} must be from 1s to 31d and not above 'within': the pace of "
                                    "so much past is taken for that of the future",
                                    format_duration(out.over)));
    }
}

void read_burn_rate(Section& s, const SignalDefinition* definition, Threshold& out) {
    s.read("burn_rate", out.value);
    s.read("objective", out.objective);
    if (!s.has("objective")) {
        s.wrong("objective", "is missing: the share of good events, such as 99.9%");
    } else if (!(out.objective > 0 && out.objective < 1)) {
        s.wrong("objective", "must be above 0 and below 100%");
    } else if (!(out.value > 0)) {
        s.wrong("burn_rate", "must be above 0");
    } else if (const double limit = out.value * (1 - out.objective); limit >= 1) {
        s.wrong("burn_rate",
                fmt::format("can never be reached: {:g} times a budget of {:.3g} % is more than "
                            "all events",
                            out.value, 100 * (1 - out.objective)));
    }
    read_windows(s, out);
    if (definition == nullptr || definition->kind != Kind::ratio ||
        definition->worse != Direction::up) {
        s.wrong("burn_rate",
                "needs a signal of kind ratio whose numerator counts bad events (worse: up); "
                "define one in 'signals'");
    }
}

void refuse(Section& s, const char* key, const char* why) {
    s.take(key);
    if (s.has(key)) {
        s.wrong(key, why);
    }
}

}  // namespace

Threshold read_threshold(Section& section, const std::string& signal,
                         const SignalDefinition* definition) {
    Threshold out;
    const auto* const form = form_of(section);
    out.sort = form != nullptr ? form->sort : Sort::hard;
    out.side = form != nullptr ? form->side : Side::above;
    section.take("within");
    const bool ahead = section.has("within");
    if (ahead && form != nullptr && out.sort == Sort::hard) {
        read_projected(section, out);
    } else {
        refuse(section, "within", "goes with 'above' or 'below' alone");
    }
    if (!ahead) {
        refuse(section, "over", "goes with 'within' alone");
    } else {
        section.take("over");
    }
    if (out.sort == Sort::burn_rate) {
        read_burn_rate(section, definition, out);
        refuse(section, "for", "a burn rate has its windows instead");
    } else {
        section.read("for", out.duration);
        for (const auto* key : {"objective", "window", "short_window"}) {
            refuse(section, key, "goes with 'burn_rate' alone");
        }
    }
    if (form != nullptr && (out.sort == Sort::hard || out.sort == Sort::projected)) {
        section.read_amount(form->key, signal, out.value);
    } else if (form != nullptr && out.sort == Sort::relative) {
        read_relative(section, *form, out);
        if (definition != nullptr && definition->kind == Kind::trend) {
            section.wrong(form->key,
                          "a trend has no usual level: its growth is compared with the baseline's; "
                          "use 'above' or 'below' with 'within'");
        }
    }
    section.read_name("action", out.action);
    if (out.action == Severity::none) {
        section.wrong("action", "must be warn, page or rollback");
    }
    return out;
}

}  // namespace holdfast::daemon
