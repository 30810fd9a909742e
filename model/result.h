#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace holdfast {

/// What kind of failure it was, for programs; the message is for people.
enum class Errc {
    io,           ///< the operating system or a peer refused
    parse,        ///< text or bytes of a source are not in the documented form
    corrupt,      ///< bytes of our own store are not what we wrote
    config,       ///< the operator's configuration is wrong
    timeout,      ///< a deadline passed
    cancelled,    ///< the daemon is stopping
    not_found,    ///< nothing has that name
    conflict,     ///< not possible in the present state
    invalid,      ///< a request that can never succeed as it is
    denied,       ///< no permission
    unsupported,  ///< this kernel or host does not have it
};

/// Why an operation failed, for an operator to read: what failed, where, and what to do about it.
/// A class with a constructor, not an aggregate: see "Coroutines under GCC 12".
class Error {
public:
    Error(Errc code, std::string message) : code_{code}, message_{std::move(message)} {}

    Errc code() const { return code_; }
    const std::string& message() const { return message_; }

    /// The same error seen from one level up: "<doing>: <message>".
    Error while_doing(std::string_view doing) const {
        return {code_, fmt::format("{}: {}", doing, message_)};
    }

private:
    Errc code_;
    std::string message_;
};

/// A value or an Error. A class of its own so that dropping one does not compile.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
public:
    using tl::expected<T, Error>::expected;
    Result(tl::expected<T, Error> other) : tl::expected<T, Error>{std::move(other)} {}
};

/// `return failure(Errc::io, "read {}: {}", path, why);` in a function that returns any Result.
template <class... Args>
tl::unexpected<Error> failure(Errc code, fmt::format_string<Args...> format, Args&&... args) {
    return tl::unexpected<Error>(Error(code, fmt::format(format, std::forward<Args>(args)...)));
}

}  // namespace holdfast
