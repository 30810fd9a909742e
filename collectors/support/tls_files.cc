#include "collectors/support/tls_files.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/error.hpp>
#include <string>

#include "collectors/support/file_reader.h"

namespace holdfast::collectors {
namespace {

namespace ssl = boost::asio::ssl;
using boost::system::error_code;

constexpr std::string_view hint = "check the path and its permissions";

/// Reads `file` and lets `load` take its bytes; `expected` says what should be in it.
template <class Load>
Result<void> load_file(const std::filesystem::path& file, std::string_view expected, Load load) {
    std::string buffer;
    const auto text = read_once(file.c_str(), buffer);
    if (!text) {
        return tl::unexpected(file_error(file, text.error(), hint));
    }
    error_code error;
    load(boost::asio::buffer(text->data(), text->size()), error);
    if (error) {
        return failure(Errc::config, "read {}: {}; expected {}, in PEM form", file.string(),
                       error.message(), expected);
    }
    return {};
}

}  // namespace

Result<void> load_chain(ssl::context& context, const std::filesystem::path& file) {
    return load_file(
        file, "a certificate with its chain",
        [&](const auto& bytes, error_code& error) { context.use_certificate_chain(bytes, error); });
}

Result<void> load_key(ssl::context& context, const std::filesystem::path& file) {
    // Without a callback OpenSSL would ask for the passphrase on the terminal.
    context.set_password_callback([](auto, auto) { return std::string{}; });
    return load_file(
        file, "the private key of the certificate, without a passphrase",
        [&](const auto& bytes, error_code& error) {
            context.use_private_key(bytes, ssl::context::pem, error);
            // A key of another kind than the certificate's has passed so far.
            if (!error && SSL_CTX_check_private_key(context.native_handle()) != 1) {
                error = {static_cast<int>(ERR_get_error()), boost::asio::error::get_ssl_category()};
            }
        });
}

Result<void> load_authorities(ssl::context& context, const std::filesystem::path& file) {
    return load_file(file, "certificates of authorities",
                     [&](const auto& bytes, error_code& error) {
                         context.add_certificate_authority(bytes, error);
                     });
}

}  // namespace holdfast::collectors
