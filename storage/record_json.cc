#include "storage/record_json.h"

#include <boost/json.hpp>
#include <charconv>
#include <map>
#include <optional>
#include <vector>

#include "storage/json_fields.h"

namespace holdfast::storage {
namespace {

namespace json = boost::json;
constexpr char format_version = 1;

/// On disk: doubles exact, times and durations as integers.
struct DiskStyle {
    static json::value number(double v) {
        char text[32];
        const auto end = std::to_chars(std::begin(text), std::end(text), v).ptr;
        return json::string(text, end);
    }
    static json::value time(Timestamp v) { return v.time_since_epoch().count(); }
    static json::value duration(Milliseconds v) { return v.count(); }
};

// ---- reading: false says that the value has another type or form

template <class Record>
requires std::is_class_v<Record>
bool from_json(const json::value& in, Record& out);

bool from_json(const json::value& in, std::string& out) {
    if (const auto* text = in.if_string()) {
        out.assign(text->data(), text->size());
        return true;
    }
    return false;
}
bool from_json(const json::value& in, bool& out) {
    if (const auto* value = in.if_bool()) {
        out = *value;
        return true;
    }
    return false;
}
template <std::integral T>
bool from_json(const json::value& in, T& out) {
    boost::system::error_code error;
    out = in.to_number<T>(error);
    return !error;
}
bool from_json(const json::value& in, double& out) {
    const auto* text = in.if_string();
    if (text == nullptr) {
        return false;
    }
    const auto end = std::from_chars(text->data(), text->data() + text->size(), out);
    return end.ec == std::errc{} && end.ptr == text->data() + text->size();
}
bool from_json(const json::value& in, Timestamp& out) {
    std::int64_t ms = 0;
    const bool good = from_json(in, ms);
    out = Timestamp{Milliseconds{ms}};
    return good;
}
template <class Rep, class Period>
bool from_json(const json::value& in, std::chrono::duration<Rep, Period>& out) {
    std::int64_t count = 0;
    const bool good = from_json(in, count);
    out = std::chrono::duration<Rep, Period>{count};
    return good;
}
template <Named E>
bool from_json(const json::value& in, E& out) {
    const auto* text = in.if_string();
    const auto value = text != nullptr ? from_name<E>({text->data(), text->size()}) : std::nullopt;
    out = value.value_or(out);
    return value.has_value();
}
bool from_json(const json::value& in, Labels& out) {
    const auto* object = in.if_object();
    if (object == nullptr) {
        return false;
    }
    for (const auto& item : *object) {
        if (!from_json(item.value(), out[std::string(item.key())])) {
            return false;
        }
    }
    return true;
}
template <class T>
bool from_json(const json::value& in, std::optional<T>& out) {
    if (in.is_null()) {
        out.reset();
        return true;
    }
    return from_json(in, out.emplace());
}
template <class T>
bool from_json(const json::value& in, std::vector<T>& out) {
    const auto* array = in.if_array();
    if (array == nullptr) {
        return false;
    }
    out.clear();
    out.reserve(array->size());
    for (const auto& item : *array) {
        if (!from_json(item, out.emplace_back())) {
            return false;
        }
    }
    return true;
}

struct Reader {
    const json::object& in;
    std::string bad_field;
    template <class T>
    void operator()(const char* name, T& value) {
        const auto* found = in.if_contains(name);
        if (found != nullptr && bad_field.empty() && !from_json(*found, value)) {
            bad_field = name;
        }
    }
};

template <class Record>
requires std::is_class_v<Record>
bool from_json(const json::value& in, Record& out) {
    const auto* object = in.if_object();
    if (object == nullptr) {
        return false;
    }
    Reader reader{*object, {}};
    fields(reader, out);
    return reader.bad_field.empty();
}

}  // namespace

template <class Record>
std::string encode_record(const Record& record) {
    return format_version + json::serialize(to_json<DiskStyle>(record));
}

template <class Record>
Result<Record> decode_record(std::string_view bytes) {
    if (bytes.empty() || bytes.front() != format_version) {
        return failure(Errc::corrupt, "record of {} bytes has an unknown format version",
                       bytes.size());
    }
    boost::system::error_code error;
    const auto value = json::parse({bytes.data() + 1, bytes.size() - 1}, error);
    const auto* object = error ? nullptr : value.if_object();
    if (object == nullptr) {
        return failure(Errc::corrupt, "record of {} bytes is no JSON object: {}", bytes.size(),
                       error ? error.message() : "another type");
    }
    Record record;
    Reader reader{*object, {}};
    fields(reader, record);
    if (!reader.bad_field.empty()) {
        return failure(Errc::corrupt, "record of {} bytes: field '{}' is not of its type",
                       bytes.size(), reader.bad_field);
    }
    return record;
}

template std::string encode_record(const Upgrade&);
template std::string encode_record(const Event&);
template std::string encode_record(const Baseline&);
template std::string encode_record(const Alert&);
template Result<Upgrade> decode_record(std::string_view);
template Result<Event> decode_record(std::string_view);
template Result<Baseline> decode_record(std::string_view);
template Result<Alert> decode_record(std::string_view);

}  // namespace holdfast::storage
