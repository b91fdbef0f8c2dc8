package errs

import (
	"maps"
	"slices"
)

// The codes that haul itself uses. A plugin may add its own; those travel with
// their kind and hint. Each code here has a section in docs/errors.md.
const (
	// Requests.
	InvalidRequest    Code = "invalid_request"
	InvalidJSON       Code = "invalid_json"
	UnknownField      Code = "unknown_field"
	UnknownParameter  Code = "unknown_parameter"
	InvalidParameter  Code = "invalid_parameter"
	InvalidCursor     Code = "invalid_cursor"
	BodyTooLarge      Code = "body_too_large"
	UnsupportedMedia  Code = "unsupported_media_type"
	Unauthenticated   Code = "unauthenticated"
	InvalidLogin      Code = "invalid_login"
	TooManyLogins     Code = "too_many_logins"
	Forbidden         Code = "forbidden"
	NotFound          Code = "not_found"
	MethodNotAllowed  Code = "method_not_allowed"
	Conflict          Code = "conflict"
	NameTaken         Code = "name_taken"
	InUse             Code = "in_use"
	LastAdmin         Code = "last_admin"
	WrongState        Code = "wrong_state"
	IdempotencyReused Code = "idempotency_key_reused"
	Internal          Code = "internal"
	Unavailable       Code = "unavailable"
	Canceled          Code = "canceled"
	DeadlineExceeded  Code = "deadline_exceeded"

	// Sources.
	InvalidSource         Code = "invalid_source"
	SourceSchemeUnknown   Code = "source_scheme_unsupported"
	InvalidMagnet         Code = "invalid_magnet"
	InvalidTorrent        Code = "invalid_torrent"
	UnsafeTorrent         Code = "unsafe_torrent"
	TorrentTooLarge       Code = "torrent_too_large"
	InvalidMetalink       Code = "invalid_metalink"
	SourceNotSupported    Code = "source_not_supported"
	NoDownloaderForSource Code = "no_downloader_for_source"
	SourceNotFound        Code = "source_not_found"
	SourceForbidden       Code = "source_forbidden"
	SourceUnreachable     Code = "source_unreachable"
	SourceTLS             Code = "source_tls_error"
	SourceTimeout         Code = "source_timeout"
	SourceServerError     Code = "source_server_error"
	ChecksumMismatch      Code = "checksum_mismatch"
	NoFilesSelected       Code = "no_files_selected"
	AddressNotAllowed     Code = "address_not_allowed"

	// Destinations and storage.
	InvalidDestination  Code = "invalid_destination"
	DestinationExists   Code = "destination_exists"
	DestinationReadOnly Code = "destination_not_writable"
	OutOfSpace          Code = "out_of_space"
	NameNotPossible     Code = "name_not_possible"
	StorageUnreachable  Code = "storage_unreachable"
	StorageAuthFailed   Code = "storage_auth_failed"
	StorageError        Code = "storage_error"
	StorageMissing      Code = "storage_missing"
	NotDelivered        Code = "not_delivered"
	HoldExpired         Code = "hold_expired"
	FilesChanged        Code = "files_changed"
	FilesMissing        Code = "files_missing"
	UnsafeFile          Code = "unsafe_file"

	// Downloaders and plugins.
	DownloaderUnreachable Code = "downloader_unreachable"
	DownloaderAuthFailed  Code = "downloader_auth_failed"
	NotADownloader        Code = "not_a_downloader"
	DownloaderTooOld      Code = "downloader_too_old"
	DownloaderDisabled    Code = "downloader_disabled"
	DownloaderError       Code = "downloader_error"
	DownloaderMissing     Code = "downloader_missing"
	DownloaderTLS         Code = "downloader_tls_error"
	InvalidSettings       Code = "invalid_settings"
	InvalidOptions        Code = "invalid_options"
	OptionNotAllowed      Code = "option_not_allowed"
	PathNotShared         Code = "path_not_shared"
	PathNotWritable       Code = "path_not_writable"
	JobNotFound           Code = "job_not_found"
	MetadataMissing       Code = "metadata_missing"
	MovedAway             Code = "moved_away"
	PluginMissing         Code = "plugin_missing"
	PluginCrashed         Code = "plugin_crashed"
	PluginHung            Code = "plugin_hung"
	PluginUntrusted       Code = "plugin_untrusted"
	PluginIncompatible    Code = "plugin_incompatible"
	PluginStarting        Code = "plugin_starting"
	NotOffered            Code = "not_offered"

	// Waiting and deadlines.
	NodeOffline     Code = "node_offline"
	QuotaExceeded   Code = "quota_exceeded"
	MetadataTimeout Code = "metadata_timeout"
	Stalled         Code = "stalled"
	TotalTimeout    Code = "total_timeout"
)

type codeInfo struct {
	kind      Kind
	title     string
	hint      string
	retryable bool
}

var codes = map[Code]codeInfo{
	InvalidRequest:    {KindInvalid, "The request is not valid.", "Correct the fields that the answer names.", false},
	InvalidJSON:       {KindInvalid, "The body is not valid JSON.", "Send one JSON object that matches the API description.", false},
	UnknownField:      {KindInvalid, "The request has a field that does not exist.", "Remove the field, or correct its spelling.", false},
	UnknownParameter:  {KindInvalid, "The request has a query parameter that does not exist.", "Remove the parameter, or correct its spelling.", false},
	InvalidParameter:  {KindInvalid, "A parameter has a value that is not valid.", "Correct the parameter that the answer names.", false},
	InvalidCursor:     {KindInvalid, "The cursor is not one of this list.", "Start again without a cursor.", false},
	BodyTooLarge:      {KindTooLarge, "The body is over the limit.", "Send less at once.", false},
	UnsupportedMedia:  {KindInvalid, "The body has a media type that is not taken here.", "Send application/json, or multipart/form-data where the API description says so.", false},
	Unauthenticated:   {KindUnauthenticated, "A token is needed.", "Log in (haul login, or POST /api/v1/auth/login) and send the token as 'Authorization: Bearer TOKEN'.", false},
	InvalidLogin:      {KindUnauthenticated, "The user name or the password is wrong.", "Check both.", false},
	TooManyLogins:     {KindExhausted, "Too many failed logins.", "Wait a minute and try again.", true},
	Forbidden:         {KindForbidden, "You may not do this.", "Ask an admin for the permission.", false},
	NotFound:          {KindNotFound, "There is no such thing.", "Check the id or the name.", false},
	MethodNotAllowed:  {KindInvalid, "The path exists, but not with this method.", "See the API description.", false},
	Conflict:          {KindConflict, "Somebody else changed it at the same time.", "Read it again and repeat the change.", true},
	NameTaken:         {KindConflict, "The name is taken.", "Choose another name.", false},
	InUse:             {KindConflict, "It is still in use.", "End or move what uses it first.", false},
	LastAdmin:         {KindConflict, "Nobody would be an admin any more.", "Make somebody else an admin first.", false},
	WrongState:        {KindConflict, "That is not possible in the present state.", "Look at the task's state first.", false},
	IdempotencyReused: {KindConflict, "The Idempotency-Key was used for another request.", "Use a new key for a new request.", false},
	Internal:          {KindInternal, "Something went wrong inside haul.", "The server's log says more; please report it.", false},
	Unavailable:       {KindUnavailable, "Not available right now.", "Try again in a moment.", true},
	Canceled:          {KindCanceled, "The caller gave up.", "", true},
	DeadlineExceeded:  {KindCanceled, "It took too long.", "Try again; if it stays so, look at the server's load.", true},

	InvalidSource:         {KindInvalid, "The source is not one that haul knows.", "Give a magnet link, an http, https or ftp URL, or upload a .torrent file.", false},
	SourceSchemeUnknown:   {KindInvalid, "The source's scheme is not supported.", "Use magnet:, http:, https:, ftp: or ftps: as far as a downloader takes it.", false},
	InvalidMagnet:         {KindInvalid, "The magnet link has no valid info hash.", "It needs xt=urn:btih: with 40 hex digits or 32 base32 letters, or xt=urn:btmh:1220 with 64 hex digits.", false},
	InvalidTorrent:        {KindInvalid, "The file is not a valid torrent.", "Download the .torrent file again: it may be cut off, or be a web page saved under that name.", false},
	UnsafeTorrent:         {KindInvalid, "The torrent names files outside of its own folder.", "Do not use it: its file names contain '..', an absolute path or an empty part.", false},
	TorrentTooLarge:       {KindTooLarge, "The torrent file is over the limit.", "Use a magnet link, or ask an admin to raise the limit.", false},
	InvalidMetalink:       {KindInvalid, "The file is not a valid metalink.", "Download the metalink file again.", false},
	SourceNotSupported:    {KindUnsupported, "The chosen downloader does not take this kind of source.", "Choose another downloader, or let haul choose.", false},
	NoDownloaderForSource: {KindUnsupported, "No downloader takes this kind of source.", "Ask an admin to add or enable a downloader that does (haul downloader ls).", false},
	SourceNotFound:        {KindNotFound, "The server says that the file does not exist.", "Check the URL: the server answered 404 or 410.", false},
	SourceForbidden:       {KindForbidden, "The server refuses to hand out the file.", "The URL may need a login, or may have expired.", false},
	SourceUnreachable:     {KindUnavailable, "The source's server cannot be reached.", "Check the URL's host and port, and that the node has a network.", true},
	SourceTLS:             {KindUnavailable, "The source's server has no valid TLS certificate.", "Check the URL; the certificate may be expired, self-signed, or for another name.", false},
	SourceTimeout:         {KindUnavailable, "The source's server did not answer in time.", "Try again later.", true},
	SourceServerError:     {KindUnavailable, "The source's server answered with an error.", "Try again later.", true},
	ChecksumMismatch:      {KindInvalid, "The file does not have the checksum that was promised.", "The source may be damaged: use another one.", false},
	NoFilesSelected:       {KindInvalid, "The selection matches no file.", "Look at the source's files (haul inspect, haul files), and select others.", false},
	AddressNotAllowed:     {KindForbidden, "The source's address may not be used.", "Ask an admin which addresses are allowed.", false},

	InvalidDestination:  {KindInvalid, "The destination is not a folder inside your home.", "Give a path relative to your home, without '..'.", false},
	DestinationExists:   {KindConflict, "A file of that name exists at the destination.", "Choose another destination, or remove the file.", false},
	DestinationReadOnly: {KindUnavailable, "The destination cannot be written.", "Give the user that haul runs as the right to write there, then retry the task.", true},
	OutOfSpace:          {KindExhausted, "The disk is full.", "Free some space on the node, then retry the task.", true},
	NameNotPossible:     {KindInvalid, "The destination cannot hold a file of that name.", "Choose another destination: the name is too long there, or has characters that it does not take.", false},
	StorageUnreachable:  {KindUnavailable, "The storage does not answer.", "Check that it is up, and that its address is right (haul storage test).", true},
	StorageAuthFailed:   {KindUnavailable, "The storage refuses the credentials.", "Correct the storage's settings.", true},
	StorageError:        {KindUnavailable, "The storage reported an error.", "The message says what the storage said.", true},
	StorageMissing:      {KindNotFound, "The task's storage does not exist any more.", "Choose another destination for the task.", false},
	HoldExpired:         {KindUnavailable, "The files could not be delivered for too long, and were given up.", "Mend what kept them from being delivered, then retry the task to load it again.", false},
	FilesChanged:        {KindConflict, "Files changed on the disk while they were delivered.", "Find out what writes to the download folder, then recheck the task.", true},
	NotDelivered:        {KindConflict, "The files are not at their destination yet.", "Wait until the task is completed.", true},
	FilesMissing:        {KindInternal, "Files that the downloader reported are not on the disk.", "Check that the downloader and haul see the same folder, then retry the task.", false},
	UnsafeFile:          {KindForbidden, "The download contains something that is neither a file nor a folder, or leads out of its own folder.", "Do not trust the source; the task's data is kept for inspection until the task is removed.", false},

	DownloaderUnreachable: {KindUnavailable, "The downloader does not answer.", "Check that it runs and that the address and port are right.", true},
	DownloaderAuthFailed:  {KindUnavailable, "The downloader refuses the credentials.", "Correct the secret, or the user name and password, in the downloader's settings.", false},
	NotADownloader:        {KindUnavailable, "Something else answers at the downloader's address.", "Correct the address: host, port and path.", false},
	DownloaderTooOld:      {KindUnavailable, "The downloader is too old.", "Upgrade it to the version that the message names.", false},
	DownloaderDisabled:    {KindUnavailable, "The downloader is disabled.", "Enable it (PATCH /api/v1/downloaders/{id} with enabled: true).", false},
	DownloaderError:       {KindUnavailable, "The downloader reported an error.", "The message says what the downloader said.", true},
	DownloaderMissing:     {KindNotFound, "The task's downloader does not exist any more.", "Retry the task: haul then chooses another one.", false},
	DownloaderTLS:         {KindUnavailable, "The downloader's TLS certificate is not trusted.", "Give the certificate of its authority in the downloader's settings (ca_certificate), or correct the host name in the address.", false},
	InvalidSettings:       {KindInvalid, "The settings are not valid.", "Correct the fields that the answer names.", false},
	InvalidOptions:        {KindInvalid, "The options are not valid.", "Correct the fields that the answer names; GET /api/v1/plugins lists what each plugin takes.", false},
	OptionNotAllowed:      {KindForbidden, "That option may not be set.", "Remove it: it could reach outside of the task.", false},
	PathNotShared:         {KindUnavailable, "haul and the downloader do not see the same folder.", "Mount the folder into both, under the same path.", false},
	PathNotWritable:       {KindUnavailable, "The download folder cannot be written.", "Give the users that haul and the downloader run as the right to write there.", true},
	JobNotFound:           {KindNotFound, "The downloader does not know the job.", "haul adds it again by itself.", true},
	MetadataMissing:       {KindConflict, "The torrent's list of files is not known yet.", "Wait until the metadata has been loaded.", true},
	MovedAway:             {KindConflict, "The download was moved to another folder at the downloader.", "Its data is where it was moved to; haul does not touch it there. Retry the task to load it again.", false},
	PluginMissing:         {KindUnavailable, "The plugin is not installed.", "Put the plugin's executable into one of the plugin directories.", false},
	PluginCrashed:         {KindUnavailable, "The plugin ended unexpectedly.", "haul starts it again by itself; the server's log has its last words.", true},
	PluginHung:            {KindUnavailable, "The plugin does not answer.", "haul starts it again by itself.", true},
	PluginUntrusted:       {KindForbidden, "The plugin's file is not to be trusted.", "Let nobody but root and haul's user write the file and the folders above it; docs/plugins/trust.md has the rules.", false},
	PluginIncompatible:    {KindUnsupported, "The plugin speaks another version of the contract, or none.", "Install a release of the plugin that matches this haul.", false},
	PluginStarting:        {KindUnavailable, "The plugin is starting.", "Wait a moment.", true},
	NotOffered:            {KindUnsupported, "The downloader does not offer this.", "Choose a downloader that does.", false},

	NodeOffline:     {KindUnavailable, "The node is offline.", "Start it; its jobs go on by themselves.", true},
	QuotaExceeded:   {KindExhausted, "A quota is used up.", "Remove something, or ask an admin for more.", false},
	MetadataTimeout: {KindUnavailable, "Nobody sent the torrent's metadata in time.", "The torrent may be dead: try again later or use another source.", true},
	TotalTimeout:    {KindUnavailable, "The download took longer than it may.", "Try again with a faster source, or ask an admin to raise total_timeout.", false},
	Stalled:         {KindUnavailable, "No data came for too long.", "The source may be dead: try again later or use another one.", true},
}

// Codes returns every code that haul itself uses, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(codes)) }

// Kind returns the class of a code, KindInternal for an unknown one.
func (c Code) Kind() Kind {
	if i, ok := codes[c]; ok {
		return i.kind
	}
	return KindInternal
}

// Title returns one sentence on what the code means.
func (c Code) Title() string {
	if i, ok := codes[c]; ok {
		return i.title
	}
	return string(c)
}

// Hint returns what a user can do about it; it may be empty.
func (c Code) Hint() string { return codes[c].hint }

// Retryable reports whether waiting may be enough.
func (c Code) Retryable() bool { return codes[c].retryable }
