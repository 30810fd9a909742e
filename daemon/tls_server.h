#pragma once
#include <boost/asio/ssl/context.hpp>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/names.h"
#include "model/result.h"

namespace holdfast::daemon {

/// What is asked of a client's certificate; the words are Go's, which Prometheus uses.
enum class ClientAuth { none, request, require_any, verify_if_given, require_and_verify };
enum class TlsVersion { tls12, tls13 };

/// `tls_server_config` of a web configuration.
struct TlsServerOptions {
    std::filesystem::path cert_file, key_file;
    ClientAuth client_auth = ClientAuth::none;
    std::filesystem::path client_ca_file;  ///< authorities of clients; empty: none
    /// DNS names, addresses, e-mail addresses or URIs of which a client's certificate must have
    /// one; empty: any. Counts for a certificate that is verified.
    std::vector<std::string> client_allowed_sans;
    TlsVersion min_version = TlsVersion::tls12;
    TlsVersion max_version = TlsVersion::tls13;
};

bool verifies(ClientAuth auth);

/// The server's end of TLS: files read once, never changed, shared by its connections.
class TlsServer {
public:
    /// Reads the files. Errc::config, or that of the file: the message begins with the option.
    static Result<std::shared_ptr<const TlsServer>> make(const TlsServerOptions& options);

    boost::asio::ssl::context& context() const { return *context_; }

private:
    TlsServer();
    Result<void> load(const TlsServerOptions& options);
    void ask_clients(const TlsServerOptions& options);

    std::unique_ptr<boost::asio::ssl::context> context_;
};

}  // namespace holdfast::daemon

namespace holdfast {

template <>
struct Names<daemon::ClientAuth> {
    static constexpr std::array table{
        std::pair{daemon::ClientAuth::none, "NoClientCert"},
        std::pair{daemon::ClientAuth::request, "RequestClientCert"},
        std::pair{daemon::ClientAuth::require_any, "RequireAnyClientCert"},
        std::pair{daemon::ClientAuth::verify_if_given, "VerifyClientCertIfGiven"},
        std::pair{daemon::ClientAuth::require_and_verify, "RequireAndVerifyClientCert"}};
};
template <>
struct Names<daemon::TlsVersion> {
    static constexpr std::array table{std::pair{daemon::TlsVersion::tls12, "TLS12"},
                                      std::pair{daemon::TlsVersion::tls13, "TLS13"}};
};

}  // namespace holdfast
