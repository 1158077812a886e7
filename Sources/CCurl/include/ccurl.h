// libcurl, loaded at first use.
//
// libcurl.so.4 pulls in some 25 shared libraries, which costs 8 to 14 ms. A command that needs no network must not pay
// for that, so nothing here is linked: ccurl_load() opens the library, and every other function goes through a table.
// Swift can't call variadic functions, hence one function for each type of curl_easy_setopt and curl_easy_getinfo.
#ifndef CCURL_H
#define CCURL_H

#define CURL_DISABLE_TYPECHECK 1
#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

/// Loads libcurl and initialises it, once for the process; thread-safe. A later call tries again after a failure.
/// Returns true if libcurl can be used; otherwise `message` (of `size` bytes) says why not.
/// Every other function must only be called after this one returned true.
bool ccurl_load(char *message, size_t size);

/// Whether libcurl has been loaded by now.
bool ccurl_is_loaded(void);

/// libcurl's version, like "7.88.1".
const char *ccurl_version(void);

CURL *ccurl_easy_init(void);
void ccurl_easy_cleanup(CURL *easy);
CURLcode ccurl_easy_perform(CURL *easy);
const char *ccurl_easy_strerror(CURLcode code);

CURLcode ccurl_set_long(CURL *easy, CURLoption option, long value);
CURLcode ccurl_set_offset(CURL *easy, CURLoption option, curl_off_t value);
/// The string is copied by libcurl.
CURLcode ccurl_set_string(CURL *easy, CURLoption option, const char *value);
/// The pointer is kept by libcurl, not what it points to.
CURLcode ccurl_set_pointer(CURL *easy, CURLoption option, void *value);
CURLcode ccurl_set_list(CURL *easy, CURLoption option, struct curl_slist *value);
/// Sets the request's body, which is copied.
CURLcode ccurl_set_body(CURL *easy, const void *bytes, size_t count);

CURLcode ccurl_on_write(CURL *easy, curl_write_callback callback, void *context);
CURLcode ccurl_on_header(CURL *easy, curl_write_callback callback, void *context);
CURLcode ccurl_on_read(CURL *easy, curl_read_callback callback, void *context);
/// Lets a body be sent anew from some place when a connection broke.
CURLcode ccurl_on_seek(CURL *easy, curl_seek_callback callback, void *context);
CURLcode ccurl_on_progress(CURL *easy, curl_xferinfo_callback callback, void *context);
CURLcode ccurl_on_open_socket(CURL *easy, curl_opensocket_callback callback, void *context);
CURLcode ccurl_on_close_socket(CURL *easy, curl_closesocket_callback callback, void *context);
CURLcode ccurl_on_prerequest(CURL *easy, curl_prereq_callback callback, void *context);

CURLcode ccurl_get_long(CURL *easy, CURLINFO info, long *value);
CURLcode ccurl_get_double(CURL *easy, CURLINFO info, double *value);
CURLcode ccurl_get_offset(CURL *easy, CURLINFO info, curl_off_t *value);
CURLcode ccurl_get_string(CURL *easy, CURLINFO info, const char **value);

struct curl_slist *ccurl_list_append(struct curl_slist *list, const char *text);
void ccurl_list_free(struct curl_slist *list);

CURLM *ccurl_multi_init(void);
CURLMcode ccurl_multi_cleanup(CURLM *multi);
CURLMcode ccurl_multi_set_long(CURLM *multi, CURLMoption option, long value);
CURLMcode ccurl_multi_add(CURLM *multi, CURL *easy);
CURLMcode ccurl_multi_remove(CURLM *multi, CURL *easy);
CURLMcode ccurl_multi_perform(CURLM *multi);
CURLMcode ccurl_multi_poll(CURLM *multi, int milliseconds);
/// May be called from any thread while the handle lives.
CURLMcode ccurl_multi_wakeup(CURLM *multi);
/// The next finished transfer and its result, or NULL.
CURL *ccurl_multi_next_done(CURLM *multi, CURLcode *result);

/// Runs `body(context)` on a detached thread with all signals blocked, or returns the errno value that says why not.
///
/// With CURLOPT_NOSIGNAL libcurl leaves SIGPIPE to its caller, and OpenSSL writes without MSG_NOSIGNAL. Other signals
/// belong to the threads that wait for them; libcurl's resolver threads inherit the mask.
int ccurl_start_thread(void (*body)(void *context), void *context);

#endif
