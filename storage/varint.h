#pragma once
#include <bit>
#include <boost/endian/conversion.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace holdfast::storage {

/// Signed as unsigned, so that what is near 0 stays small: 0, -1, 1, -2, … become 0, 1, 2, 3, …
inline std::uint64_t zigzag(std::int64_t value) {
    return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63U);
}
inline std::int64_t unzigzag(std::uint64_t value) {
    return static_cast<std::int64_t>((value >> 1U) ^ (~(value & 1U) + 1U));
}

/// LEB128: seven bits a byte, the lowest first, the top bit says that more follow.
inline void append_varint(std::string& out, std::uint64_t value) {
    while (value >= 0x80U) {
        out += static_cast<char>(value | 0x80U);
        value >>= 7U;
    }
    out += static_cast<char>(value);
}

/// Takes values from the front of bytes; nothing when they are not there or not in their one form.
class ByteReader {
public:
    explicit ByteReader(std::string_view bytes) : bytes_{bytes} {}

    /// Refuses a longer form than append_varint writes, and more than 64 bits.
    std::optional<std::uint64_t> varint() {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
            const auto byte = take();
            if (shift == 63 && byte > 1) {
                return std::nullopt;
            }
            value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
            if (byte < 0x80U) {
                return byte == 0 && shift > 0 ? std::nullopt : std::optional{value};
            }
        }
        return std::nullopt;
    }
    std::optional<std::uint8_t> byte() {
        return bytes_.empty() ? std::nullopt : std::optional{take()};
    }
    /// 8 bytes IEEE 754, little-endian.
    std::optional<double> raw() {
        if (bytes_.size() < 8) {
            return std::nullopt;
        }
        const auto bits =
            boost::endian::load_little_u64(reinterpret_cast<const unsigned char*>(bytes_.data()));
        skip(8);
        return std::bit_cast<double>(bits);
    }

    std::string_view rest() const { return bytes_; }
    void skip(std::size_t size) { bytes_.remove_prefix(size); }
    std::size_t left() const { return bytes_.size(); }

private:
    std::uint8_t take() {
        const auto byte = static_cast<std::uint8_t>(bytes_.front());
        bytes_.remove_prefix(1);
        return byte;
    }

    std::string_view bytes_;
};

}  // namespace holdfast::storage
