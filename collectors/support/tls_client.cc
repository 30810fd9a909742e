#include "collectors/support/tls_client.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>

#include "collectors/support/tls_files.h"

namespace holdfast::collectors {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;
using boost::system::error_code;

bool is_address(const std::string& host) {
    error_code error;
    asio::ip::make_address(host, error);
    return !error;
}

}  // namespace

TlsClient::TlsClient(const TlsClientOptions& options)
    : server_name_{options.server_name},
      verifies_{!options.insecure_skip_verify},
      context_{std::make_unique<ssl::context>(ssl::context::tls_client)} {
    SSL_CTX_set_min_proto_version(context_->native_handle(), TLS1_2_VERSION);
}

Result<std::shared_ptr<const TlsClient>> TlsClient::make(const TlsClientOptions& options) {
    const std::shared_ptr<TlsClient> client{new TlsClient{options}};
    if (auto loaded = client->load(options); !loaded) {
        return tl::unexpected(loaded.error());
    }
    return std::shared_ptr<const TlsClient>{client};
}

Result<void> TlsClient::load(const TlsClientOptions& options) {
    if (options.ca_file.empty()) {
        error_code error;
        context_->set_default_verify_paths(error);
        if (error) {
            return failure(Errc::config, "the system's authorities: {}", error.message());
        }
    } else if (const auto loaded = load_authorities(*context_, options.ca_file); !loaded) {
        return tl::unexpected(loaded.error().while_doing("ca_file"));
    }
    if (options.cert_file.empty() != options.key_file.empty()) {
        return failure(Errc::config, "cert_file and key_file: one is missing; give both or none");
    }
    if (options.cert_file.empty()) {
        return {};
    }
    if (const auto loaded = load_chain(*context_, options.cert_file); !loaded) {
        return tl::unexpected(loaded.error().while_doing("cert_file"));
    }
    if (const auto loaded = load_key(*context_, options.key_file); !loaded) {
        return tl::unexpected(loaded.error().while_doing("key_file"));
    }
    return {};
}

void TlsClient::prepare(TlsStream& stream, const std::string& host) const {
    const auto& name = server_name_.empty() ? host : server_name_;
    const bool address = is_address(name);
    if (!address) {
        // What SSL_set_tlsext_host_name() is, without its C cast; OpenSSL makes a copy.
        SSL_ctrl(stream.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(name.c_str()));
    }
    if (!verifies_) {
        stream.set_verify_mode(ssl::verify_none);
        return;
    }
    stream.set_verify_mode(ssl::verify_peer);
    stream.set_verify_callback([address, named = ssl::host_name_verification{name}](
                                   bool preverified, ssl::verify_context& context) {
        const bool good = named(preverified, context);
        if (preverified && !good) {  // a good certificate, but of somebody else
            X509_STORE_CTX_set_error(context.native_handle(), address
                                                                  ? X509_V_ERR_IP_ADDRESS_MISMATCH
                                                                  : X509_V_ERR_HOSTNAME_MISMATCH);
        }
        return good;
    });
}

std::string handshake_problem(TlsStream& stream, const error_code& error) {
    if (error == asio::error::eof || error == ssl::error::stream_truncated) {
        return "the connection was closed in the middle of the TLS handshake";
    }
    if (error.category() != asio::error::get_ssl_category()) {
        return error.message();
    }
    switch (ERR_GET_REASON(static_cast<unsigned long>(error.value()))) {
        case SSL_R_CERTIFICATE_VERIFY_FAILED:
            return fmt::format(
                "certificate verify failed: {}",
                X509_verify_cert_error_string(SSL_get_verify_result(stream.native_handle())));
        case SSL_R_WRONG_VERSION_NUMBER:
            return fmt::format("{}: the peer does not speak TLS; is it http://?", error.message());
        default:
            return error.message();
    }
}

}  // namespace holdfast::collectors
