#pragma once
#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/quantities.h"
#include "model/names.h"
#include "model/result.h"

namespace holdfast::daemon {

/// Everything found wrong in one document, each `file:line:column: what`.
class ConfigErrors {
public:
    explicit ConfigErrors(std::string file) : file_{std::move(file)} {}
    void add(const YAML::Mark& mark, std::string_view what);
    bool empty() const { return lines_.empty(); }
    /// Errc::config with a line per mistake.
    Error error() const;

private:
    std::string file_;
    std::vector<std::string> lines_;
};

/// The key of `known` nearest to `key` by edit distance, if near enough to be a slip; else empty.
std::string nearest(std::string_view key, const std::set<std::string>& known);

/// One mapping of the document being read: values are asked for by key, and `finish` names the keys
/// that nobody asked for. A wrong value is an error at its own place and leaves the default.
class Section {
public:
    Section(const YAML::Node& node, std::string path, ConfigErrors& errors);

    bool has(const std::string& key) const;
    /// All keys there are, for a mapping whose names are the operator's own.
    std::vector<std::string> keys() const;
    YAML::Mark mark() const { return node_.Mark(); }
    std::string at(const std::string& key) const;  ///< `rules[2].margin`, for messages
    ConfigErrors& errors() const { return errors_; }

    void read(const std::string& key, std::string& out);
    void read(const std::string& key, bool& out);
    void read(const std::string& key, double& out);  ///< a number or a share: 0.02, 2%
    void read(const std::string& key, Milliseconds& out);
    void read(const std::string& key, Timestamp& out);
    void read_bytes(const std::string& key, std::size_t& out);
    /// An amount in the unit that `signal` ends in: 0.5, 2%, 250ms of `…_seconds`, 4MiB of bytes.
    void read_amount(const std::string& key, const std::string& signal, double& out);
    void read(const std::string& key, std::vector<std::string>& out);
    void read(const std::string& key, std::vector<int>& out);
    void read(const std::string& key, Labels& out);
    /// A path; a relative one starts at `folder`.
    void read_path(const std::string& key, const std::filesystem::path& folder,
                   std::filesystem::path& out);
    template <class E>
    void read_name(const std::string& key, E& out) {
        if (const auto node = take(key); node && node.IsDefined()) {
            if (const auto value = from_name<E>(scalar(node))) {
                out = *value;
            } else {
                wrong_name(key, node, words<E>());
            }
        }
    }
    /// The value as written, for what has a grammar of its own; an undefined node when absent.
    YAML::Node take(const std::string& key);

    /// Calls `visit` with the mapping at `key`, if there is one.
    void section(const std::string& key, const std::function<void(Section&)>& visit);
    /// Calls `visit` with each mapping of the list at `key`.
    void sections(const std::string& key, const std::function<void(Section&)>& visit);
    /// An error at `key`, or at the section when the key is absent.
    void wrong(const std::string& key, std::string_view what);
    void finish();

private:
    template <class E>
    static std::vector<std::string> words() {
        std::vector<std::string> out;
        out.reserve(Names<E>::table.size());
        for (const auto& [value, name] : Names<E>::table) {
            out.emplace_back(name);
        }
        return out;
    }
    static std::string scalar(const YAML::Node& node);
    void wrong_type(const std::string& key, const YAML::Node& node, std::string_view expected);
    void wrong_name(const std::string& key, const YAML::Node& node,
                    const std::vector<std::string>& allowed);

    YAML::Node node_;
    std::string path_;
    ConfigErrors& errors_;
    std::set<std::string> asked_;
};

/// Has the document `text` of `file` read by `read`, from its root on. Errc::config with a line
/// `file:line:column: what` for each mistake: those that `read` notes, unknown keys, broken YAML.
Result<void> read_document(const std::string& text, const std::string& file,
                           const std::function<void(Section&)>& read);

/// The whole of `file`. Errc::io: `read <file>: <why>; <hint>`.
Result<std::string> read_text(const std::filesystem::path& file, std::string_view hint);

}  // namespace holdfast::daemon
