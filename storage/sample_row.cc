#include "storage/sample_row.h"

#include <array>
#include <bit>
#include <boost/endian/conversion.hpp>
#include <cmath>
#include <optional>

#include "storage/varint.h"

namespace holdfast::storage {
namespace {

constexpr char format_without_delay = 1;
constexpr char format_version = 2;
constexpr std::array decimal_scales{1.0, 1e2, 1e6};
constexpr std::uint64_t raw_scale = 3;
constexpr double exact_integers = 4503599627370496.0;  // 2^52

void append_value(std::string& out, double value) {
    for (std::size_t scale = 0; scale < decimal_scales.size(); ++scale) {
        const double scaled = value * decimal_scales[scale];
        if (!(std::abs(scaled) < exact_integers)) {
            break;  // too large, or not a number
        }
        const double rounded = std::nearbyint(scaled);
        const double back = rounded / decimal_scales[scale];
        if (std::bit_cast<std::uint64_t>(back) == std::bit_cast<std::uint64_t>(value) &&
            !(rounded == 0 && std::signbit(value))) {
            append_varint(out, zigzag(static_cast<std::int64_t>(rounded)) << 2U | scale);
            return;
        }
    }
    append_varint(out, raw_scale);
    auto bits = boost::endian::native_to_little(std::bit_cast<std::uint64_t>(value));
    out.append(reinterpret_cast<const char*>(&bits), sizeof bits);
}

std::optional<double> read_value(ByteReader& in) {
    const auto tagged = in.varint();
    if (!tagged) {
        return std::nullopt;
    }
    const auto scale = *tagged & 3U;
    if (scale == raw_scale) {
        return *tagged == raw_scale ? in.raw() : std::nullopt;
    }
    return static_cast<double>(unzigzag(*tagged >> 2U)) / decimal_scales[scale];
}

}  // namespace

std::string encode_row(std::uint64_t epoch, Milliseconds delay,
                       const std::vector<RowValue>& values) {
    std::string out;
    out.reserve(16 + values.size() * 6);
    out += format_version;
    append_varint(out, epoch);
    append_varint(out, zigzag(delay.count()));
    append_varint(out, values.size());
    std::int64_t before = 0;
    for (const auto& v : values) {
        append_varint(out, zigzag(static_cast<std::int64_t>(v.series) - before));
        before = v.series;
        append_value(out, v.value);
    }
    return out;
}

Result<DecodedRow> decode_row(std::string_view bytes) {
    const auto corrupt = [&bytes](const char* what) {
        return failure(Errc::corrupt, "row of {} bytes: {}; restore a backup", bytes.size(), what);
    };
    if (bytes.empty() ||
        (bytes.front() != format_version && bytes.front() != format_without_delay)) {
        return corrupt("unknown format version");
    }
    ByteReader in{bytes.substr(1)};
    const auto epoch = in.varint();
    const auto delay = bytes.front() == format_version ? in.varint() : std::optional{zigzag(0)};
    const auto count = in.varint();
    if (!epoch || !delay || !count || *count > in.left() / 2) {
        return corrupt("bad header");
    }
    DecodedRow row{.epoch = *epoch, .delay = Milliseconds{unzigzag(*delay)}};
    row.values.reserve(*count);
    std::int64_t before = 0;
    for (std::uint64_t i = 0; i < *count; ++i) {
        const auto delta = in.varint();
        const auto value = delta ? read_value(in) : std::nullopt;
        if (!value || unzigzag(*delta) > 0xffffffffLL - before || unzigzag(*delta) < -before) {
            return corrupt("bad sample");
        }
        before += unzigzag(*delta);
        row.values.push_back({static_cast<std::uint32_t>(before), *value});
    }
    if (in.left() != 0) {
        return corrupt("bytes after the last sample");
    }
    return row;
}

}  // namespace holdfast::storage
