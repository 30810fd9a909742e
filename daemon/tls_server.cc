#include "daemon/tls_server.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "collectors/support/tls_files.h"

namespace holdfast::daemon {
namespace {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

int number_of(TlsVersion version) {
    return version == TlsVersion::tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

ssl::verify_mode mode_of(ClientAuth auth) {
    switch (auth) {
        case ClientAuth::none:
            break;
        case ClientAuth::request:
        case ClientAuth::verify_if_given:
            return ssl::verify_peer;
        case ClientAuth::require_any:
        case ClientAuth::require_and_verify:
            return ssl::verify_peer | ssl::verify_fail_if_no_peer_cert;
    }
    return ssl::verify_none;
}

std::string text_of(const ASN1_STRING* string) {
    const auto* const bytes = ASN1_STRING_get0_data(string);
    return {bytes, bytes + ASN1_STRING_length(string)};
}

template <class Address>
std::string address_of(const std::string& bytes) {
    typename Address::bytes_type octets{};
    std::copy(bytes.begin(), bytes.end(), octets.begin());
    return asio::ip::address{Address{octets}}.to_string();
}

/// One subject alternative name (RFC 5280, 4.2.1.6) as it is written in a configuration; empty for
/// a kind that cannot be.
std::string san_of(const GENERAL_NAME& name) {
    switch (name.type) {
        case GEN_DNS:
        case GEN_EMAIL:
        case GEN_URI:
            return text_of(name.d.ia5);
        case GEN_IPADD: {
            const auto bytes = text_of(name.d.iPAddress);
            if (bytes.size() == asio::ip::address_v4::bytes_type{}.size()) {
                return address_of<asio::ip::address_v4>(bytes);
            }
            if (bytes.size() == asio::ip::address_v6::bytes_type{}.size()) {
                return address_of<asio::ip::address_v6>(bytes);
            }
            return {};
        }
        default:
            return {};
    }
}

/// Whether `certificate` has one of `allowed` among its subject alternative names.
bool has_one_of(X509* certificate, const std::vector<std::string>& allowed) {
    const std::unique_ptr<GENERAL_NAMES, decltype(&GENERAL_NAMES_free)> names{
        static_cast<GENERAL_NAMES*>(
            X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
        &GENERAL_NAMES_free};
    for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
        const auto san = san_of(*sk_GENERAL_NAME_value(names.get(), i));
        if (!san.empty() && std::find(allowed.begin(), allowed.end(), san) != allowed.end()) {
            return true;
        }
    }
    return false;
}

/// `::0001` → `::1`, so that an address is found however it is written.
std::string normal(const std::string& san) {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(san, error);
    return error ? san : address.to_string();
}

}  // namespace

bool verifies(ClientAuth auth) {
    return auth == ClientAuth::verify_if_given || auth == ClientAuth::require_and_verify;
}

TlsServer::TlsServer() : context_{std::make_unique<ssl::context>(ssl::context::tls_server)} {
    auto* const native = context_->native_handle();
    SSL_CTX_set_options(native, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    // Sessions live in tickets alone: a cache would grow with the number of clients.
    SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
    constexpr std::string_view id = "holdfast";
    SSL_CTX_set_session_id_context(native, reinterpret_cast<const unsigned char*>(id.data()),
                                   static_cast<unsigned int>(id.size()));
    SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
}

Result<std::shared_ptr<const TlsServer>> TlsServer::make(const TlsServerOptions& options) {
    const std::shared_ptr<TlsServer> server{new TlsServer};
    if (auto loaded = server->load(options); !loaded) {
        return tl::unexpected(loaded.error());
    }
    server->ask_clients(options);
    return std::shared_ptr<const TlsServer>{server};
}

Result<void> TlsServer::load(const TlsServerOptions& options) {
    SSL_CTX_set_min_proto_version(context_->native_handle(), number_of(options.min_version));
    SSL_CTX_set_max_proto_version(context_->native_handle(), number_of(options.max_version));
    if (const auto loaded = collectors::load_chain(*context_, options.cert_file); !loaded) {
        return tl::unexpected(loaded.error().while_doing("cert_file"));
    }
    if (const auto loaded = collectors::load_key(*context_, options.key_file); !loaded) {
        return tl::unexpected(loaded.error().while_doing("key_file"));
    }
    if (options.client_ca_file.empty()) {
        return {};
    }
    if (const auto loaded = collectors::load_authorities(*context_, options.client_ca_file);
        !loaded) {
        return tl::unexpected(loaded.error().while_doing("client_ca_file"));
    }
    return {};
}

void TlsServer::ask_clients(const TlsServerOptions& options) {
    auto* const native = context_->native_handle();
    // Clients choose among several certificates by the authorities that a server names.
    const auto* const authorities = X509_STORE_get0_objects(SSL_CTX_get_cert_store(native));
    for (int i = 0; i < sk_X509_OBJECT_num(authorities); ++i) {
        if (auto* const ca = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(authorities, i))) {
            SSL_CTX_add_client_CA(native, ca);
        }
    }
    context_->set_verify_mode(mode_of(options.client_auth));
    if (!verifies(options.client_auth)) {
        context_->set_verify_callback([](bool, ssl::verify_context&) { return true; });
        return;
    }
    std::vector<std::string> allowed;
    std::transform(options.client_allowed_sans.begin(), options.client_allowed_sans.end(),
                   std::back_inserter(allowed), normal);
    context_->set_verify_callback(
        [allowed = std::move(allowed)](bool preverified, ssl::verify_context& context) {
            auto* const chain = context.native_handle();
            const bool leaf = X509_STORE_CTX_get_error_depth(chain) == 0;
            if (!preverified || !leaf || allowed.empty() ||
                has_one_of(X509_STORE_CTX_get_current_cert(chain), allowed)) {
                return preverified;
            }
            X509_STORE_CTX_set_error(chain, X509_V_ERR_APPLICATION_VERIFICATION);
            return false;
        });
}

}  // namespace holdfast::daemon
