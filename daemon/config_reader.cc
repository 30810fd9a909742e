#include "daemon/config_reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <numeric>

namespace holdfast::daemon {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const auto changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = std::exchange(row[j], std::min({changed, row[j] + 1, row[j - 1] + 1}));
        }
    }
    return row.back();
}

const char* type_of(const YAML::Node& node) {
    switch (node.Type()) {
        case YAML::NodeType::Map:
            return "a mapping";
        case YAML::NodeType::Sequence:
            return "a list";
        case YAML::NodeType::Scalar:
            return "a value";
        case YAML::NodeType::Null:
        case YAML::NodeType::Undefined:
            break;
    }
    return "nothing";
}

}  // namespace

void ConfigErrors::add(const YAML::Mark& mark, std::string_view what) {
    lines_.push_back(fmt::format("{}:{}:{}: {}", file_, mark.line + 1, mark.column + 1, what));
}

Error ConfigErrors::error() const {
    return {Errc::config, fmt::format("{}", fmt::join(lines_, "\n"))};
}

std::string nearest(std::string_view key, const std::set<std::string>& known) {
    std::string best;
    std::size_t best_distance = std::max<std::size_t>(2, key.size() / 3) + 1;
    for (const auto& candidate : known) {
        if (const auto distance = edit_distance(key, candidate); distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

Section::Section(const YAML::Node& node, std::string path, ConfigErrors& errors)
    : node_{node}, path_{std::move(path)}, errors_{errors} {
    if (!node_.IsMap() && !node_.IsNull()) {
        errors_.add(node_.Mark(),
                    fmt::format("{} must be a mapping of keys, not {}",
                                path_.empty() ? "the document" : path_, type_of(node_)));
        node_ = YAML::Node(YAML::NodeType::Map);
    }
}

bool Section::has(const std::string& key) const {
    return node_.IsMap() && node_[key].IsDefined();
}

std::vector<std::string> Section::keys() const {
    std::vector<std::string> out;
    if (node_.IsMap()) {
        for (const auto& item : node_) {
            out.push_back(scalar(item.first));
        }
    }
    return out;
}

std::string Section::at(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
}

YAML::Node Section::take(const std::string& key) {
    asked_.insert(key);
    const YAML::Node& constant = node_;
    return constant.IsMap() ? constant[key] : YAML::Node(YAML::NodeType::Undefined);
}

std::string Section::scalar(const YAML::Node& node) {
    return node.IsScalar() ? node.Scalar() : std::string{};
}

void Section::wrong(const std::string& key, std::string_view what) {
    const auto node = has(key) ? take(key) : node_;
    errors_.add(node.Mark(), fmt::format("{}: {}", at(key), what));
}

void Section::wrong_type(const std::string& key, const YAML::Node& node,
                         std::string_view expected) {
    errors_.add(node.Mark(),
                node.IsScalar()
                    ? fmt::format("{}: expected {}, got '{}'", at(key), expected, node.Scalar())
                    : fmt::format("{}: expected {}, got {}", at(key), expected, type_of(node)));
}

void Section::wrong_name(const std::string& key, const YAML::Node& node,
                         const std::vector<std::string>& allowed) {
    errors_.add(node.Mark(), fmt::format("{}: '{}' is none of {}", at(key), scalar(node),
                                         fmt::join(allowed, ", ")));
}

void Section::read(const std::string& key, std::string& out) {
    if (const auto node = take(key); node.IsDefined()) {
        if (node.IsScalar()) {
            out = node.Scalar();
        } else {
            wrong_type(key, node, "a text");
        }
    }
}

void Section::read(const std::string& key, bool& out) {
    if (const auto node = take(key); node.IsDefined()) {
        if (const auto text = scalar(node); text == "true" || text == "false") {
            out = text == "true";
        } else {
            wrong_type(key, node, "true or false");
        }
    }
}

void Section::read(const std::string& key, double& out) {
    if (const auto node = take(key); node.IsDefined()) {
        if (const auto value = parse_share(scalar(node))) {
            out = *value;
        } else {
            wrong_type(key, node, "a number such as 0.02 or 2%");
        }
    }
}

void Section::read(const std::string& key, Milliseconds& out) {
    if (const auto node = take(key); node.IsDefined()) {
        if (const auto value = parse_duration(scalar(node))) {
            out = *value;
        } else {
            wrong_type(key, node, "a duration such as 30s, 5m or 7d");
        }
    }
}

void Section::read(const std::string& key, Timestamp& out) {
    if (const auto node = take(key); node.IsDefined()) {
        if (const auto value = parse_time(scalar(node))) {
            out = *value;
        } else {
            wrong_type(key, node, "a time such as 2026-11-24T09:30:00Z");
        }
    }
}

void Section::read_amount(const std::string& key, const std::string& signal, double& out) {
    const auto node = take(key);
    if (!node.IsDefined()) {
        return;
    }
    const auto text = scalar(node);
    if (const auto number = parse_share(text)) {
        out = *number;
    } else if (const auto duration = parse_duration(text);
               duration && signal.ends_with("_seconds")) {
        out = std::chrono::duration<double>(*duration).count();
    } else if (const auto bytes = parse_bytes(text);
               bytes && signal.find("_bytes") != std::string::npos) {
        out = static_cast<double>(*bytes);
    } else {
        wrong(key, fmt::format("'{}' is no amount in the unit of {}", text, signal));
    }
}

void Section::read_bytes(const std::string& key, std::size_t& out) {
    if (const auto node = take(key); node.IsDefined()) {
        if (const auto value = parse_bytes(scalar(node))) {
            out = *value;
        } else {
            wrong_type(key, node, "a size such as 512KiB or 4MiB");
        }
    }
}

void Section::read(const std::string& key, std::vector<std::string>& out) {
    if (const auto node = take(key); node.IsDefined()) {
        if (!node.IsSequence()) {
            wrong_type(key, node, "a list of texts");
            return;
        }
        out.clear();
        for (const auto& item : node) {
            if (item.IsScalar()) {
                out.push_back(item.Scalar());
            } else {
                wrong_type(key, item, "a text");
            }
        }
    }
}

void Section::read(const std::string& key, std::vector<int>& out) {
    std::vector<std::string> texts;
    read(key, texts);
    for (const auto& text : texts) {
        const auto value = parse_share(text);
        if (value && *value == static_cast<int>(*value)) {
            out.push_back(static_cast<int>(*value));
        } else {
            wrong(key, fmt::format("expected whole numbers, got '{}'", text));
        }
    }
}

void Section::read(const std::string& key, Labels& out) {
    if (const auto node = take(key); node.IsDefined()) {
        if (!node.IsMap()) {
            wrong_type(key, node, "a mapping of labels");
            return;
        }
        for (const auto& item : node) {
            if (item.second.IsScalar()) {
                out[item.first.Scalar()] = item.second.Scalar();
            } else {
                wrong_type(key, item.second, "a text");
            }
        }
    }
}

void Section::read_path(const std::string& key, const std::filesystem::path& folder,
                        std::filesystem::path& out) {
    std::string text;
    read(key, text);
    if (!text.empty()) {
        out = folder / text;
    }
}

void Section::section(const std::string& key, const std::function<void(Section&)>& visit) {
    if (const auto node = take(key); node.IsDefined()) {
        Section inner{node, at(key), errors_};
        visit(inner);
        inner.finish();
    }
}

void Section::sections(const std::string& key, const std::function<void(Section&)>& visit) {
    const auto node = take(key);
    if (!node.IsDefined()) {
        return;
    }
    if (!node.IsSequence()) {
        wrong_type(key, node, "a list");
        return;
    }
    for (std::size_t i = 0; i < node.size(); ++i) {
        const YAML::Node item = node[i];
        Section inner{item, fmt::format("{}[{}]", at(key), i), errors_};
        visit(inner);
        inner.finish();
    }
}

void Section::finish() {
    if (!node_.IsMap()) {
        return;
    }
    for (const auto& item : node_) {
        const auto key = item.first.IsScalar() ? item.first.Scalar() : std::string{"?"};
        if (asked_.contains(key)) {
            continue;
        }
        const auto guess = nearest(key, asked_);
        errors_.add(item.first.Mark(),
                    guess.empty()
                        ? fmt::format("unknown key '{}', expected one of {}", at(key),
                                      fmt::join(asked_, ", "))
                        : fmt::format("unknown key '{}', did you mean '{}'?", at(key), guess));
    }
}

Result<void> read_document(const std::string& text, const std::string& file,
                           const std::function<void(Section&)>& read) {
    ConfigErrors errors{file};
    try {
        Section root{YAML::Load(text), "", errors};
        read(root);
        root.finish();
    } catch (const YAML::ParserException& broken) {
        errors.add(broken.mark, fmt::format("not YAML: {}", broken.msg));
    } catch (const YAML::Exception& odd) {
        errors.add(odd.mark, odd.msg);
    }
    if (!errors.empty()) {
        return tl::unexpected(errors.error());
    }
    return {};
}

Result<std::string> read_text(const std::filesystem::path& file, std::string_view hint) {
    std::ifstream in{file};
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    if (!in.is_open() || in.bad()) {
        return failure(Errc::io, "read {}: {}; {}", file.string(), std::strerror(errno), hint);
    }
    return text;
}

}  // namespace holdfast::daemon
