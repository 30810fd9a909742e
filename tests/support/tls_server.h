#pragma once
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "tests/support/certificates.h"
#include "tests/support/tiny_server.h"

namespace holdfast::testing {

/// The server's end of TLS, with a certificate; may be changed before the first connection.
inline std::shared_ptr<boost::asio::ssl::context> tls_context(const CertificateFiles& files) {
    namespace ssl = boost::asio::ssl;
    auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
    context->use_certificate_chain_file(files.cert.string());
    context->use_private_key_file(files.key.string(), ssl::context::pem);
    return context;
}

enum class Goodbye { close_notify, none };

/// Shakes hands, reads a request, sends `bytes` as they are and closes. `seen` gets the name that
/// the client asked for (SNI), and then the request.
inline Behaviour answers_over_tls(std::shared_ptr<boost::asio::ssl::context> context,
                                  std::string bytes, std::shared_ptr<Requests> seen = nullptr,
                                  Goodbye goodbye = Goodbye::close_notify) {
    return [=](tcp::socket& socket) -> boost::asio::awaitable<void> {
        using Stream = boost::asio::ssl::stream<tcp::socket&>;
        Stream stream{socket, *context};
        co_await stream.async_handshake(Stream::server, boost::asio::use_awaitable);
        auto request = co_await read_request(stream);
        if (seen) {
            const auto* const name =
                SSL_get_servername(stream.native_handle(), TLSEXT_NAMETYPE_host_name);
            seen->add(name != nullptr ? name : "");
            seen->add(std::move(request));
        }
        const auto buffer = boost::asio::buffer(bytes);
        co_await boost::asio::async_write(stream, buffer, boost::asio::use_awaitable);
        if (goodbye == Goodbye::close_notify) {
            co_await stream.async_shutdown(boost::asio::use_awaitable);
        }
    };
}

}  // namespace holdfast::testing
