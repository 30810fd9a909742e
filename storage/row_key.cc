#include "storage/row_key.h"

#include <algorithm>
#include <boost/endian/conversion.hpp>

namespace holdfast::storage {
namespace {

constexpr std::size_t key_size = 14;
constexpr std::uint64_t sign_bit = std::uint64_t{1} << 63U;

template <class T>
void append_big(std::string& out, T value) {
    boost::endian::native_to_big_inplace(value);
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

const unsigned char* bytes_at(std::string_view bytes, std::size_t offset) {
    return reinterpret_cast<const unsigned char*>(bytes.data()) + offset;
}

}  // namespace

std::uint16_t RowKey::day() const {
    const auto days = std::chrono::floor<std::chrono::days>(at).time_since_epoch().count();
    return static_cast<std::uint16_t>(std::clamp<std::int64_t>(days, 0, 0xffff));
}

std::string encode(const RowKey& key) {
    auto out = source_prefix(key.day(), key.source);
    append_big(out, static_cast<std::uint64_t>(key.at.time_since_epoch().count()) ^ sign_bit);
    return out;
}

Result<RowKey> decode_row_key(std::string_view bytes) {
    if (bytes.size() != key_size) {
        return failure(Errc::corrupt, "row key has {} bytes, expected {}; restore a backup",
                       bytes.size(), key_size);
    }
    const auto day = boost::endian::load_big_u16(bytes_at(bytes, 0));
    const auto ms =
        static_cast<std::int64_t>(boost::endian::load_big_u64(bytes_at(bytes, 6)) ^ sign_bit);
    const RowKey key{boost::endian::load_big_u32(bytes_at(bytes, 2)), Timestamp{Milliseconds{ms}}};
    if (key.day() != day) {
        return failure(Errc::corrupt, "row key of day {} holds a time of day {}; restore a backup",
                       day, key.day());
    }
    return key;
}

std::string day_prefix(std::uint16_t day) {
    std::string out;
    append_big(out, day);
    return out;
}

std::string source_prefix(std::uint16_t day, std::uint32_t source) {
    auto out = day_prefix(day);
    append_big(out, source);
    return out;
}

}  // namespace holdfast::storage
