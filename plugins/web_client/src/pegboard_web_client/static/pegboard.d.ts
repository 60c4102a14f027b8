// Types of pegboard.js.

export interface ResultData<T> {
  data_to: string;
  data_info: string;
  data: T | null;
  data_type: string | null;
}

export interface Envelope<T = unknown> {
  origin?: string | string[];
  error: string;
  result: Partial<ResultData<T>> | null;
  info: { exec_code: number; help_text: string } | null;
}

/** What a call answers: the envelope of the server, or what went wrong on the way to it. */
export class Result<T = unknown> {
  constructor(envelope?: Partial<Envelope<T>>);
  origin: string | string[];
  /** `none`, `InputError`, `InternalError` or `CustomError`. */
  error: string;
  result: ResultData<T>;
  /** 0 or an HTTP code; -1 where the server could not be reached. */
  info: { exec_code: number; help_text: string };
  static wrap<T>(data: T, dataType?: string | null): Result<T>;
  static failure(error: string, code: number, text: string): Result<never>;
  isOk(): boolean;
  isError(): boolean;
  get(): T | null;
  get<F>(fallback: F): T | F;
  log(): this;
  /** HTML that the server has sent, or everything else as escaped text. */
  html(): string;
}

export function wrapApiResponse<T = unknown>(value: unknown, dataType?: string | null): Result<T>;

export type Payload =
  | FormData | URLSearchParams | Blob | string | object | null | undefined;

export interface RequestOptions {
  method?: string;
  headers?: Record<string, string>;
  signal?: AbortSignal | null;
  /** Milliseconds; 0 for no limit. */
  timeout?: number;
}

export interface UploadProgress {
  loaded: number;
  total: number;
  /** From 0 to 1, null while the size is not known. */
  fraction: number | null;
}

export interface Api {
  request<T = any>(
    module: string, name?: string, payload?: Payload, method?: string | RequestOptions,
    useTauri?: string, isSpecialAuthRoute?: boolean, retryCount?: number,
  ): Promise<Result<T>>;
  upload<T = any>(
    module: string, name: string, form: FormData,
    options?: {
      onProgress?: ((progress: UploadProgress) => void) | null;
      signal?: AbortSignal | null;
      headers?: Record<string, string>;
    },
  ): Promise<Result<T>>;
  /** Exchange the token in `user.refreshToken`; whether there is a good token now. */
  refresh(): Promise<boolean>;
}

export type Listener<P = any> = (payload: P) => unknown;

export interface Events {
  on<P = any>(
    name: string, listener: Listener<P>, options?: { once?: boolean; signal?: AbortSignal | null },
  ): () => void;
  once<P = any>(
    name: string, listener: Listener<P>, options?: { signal?: AbortSignal | null },
  ): () => void;
  off(name: string, listener?: Listener | null): void;
  emit(name: string, payload?: unknown): number;
  emitForEver(name: string, payload?: unknown): number;
}

export interface State {
  init(initial?: Record<string, unknown>): State;
  reload(name: string): void;
  get<T = any>(key?: string, fallback?: T): T;
  set(key: string, value: unknown, options?: { persist?: boolean }): void;
  delete(key: string): boolean;
}

export interface ConnectionOptions {
  onOpen?: (event: Event) => unknown;
  onMessage?: (data: any, event: MessageEvent) => unknown;
  onClose?: (event: CloseEvent) => unknown;
  onError?: (event: Event) => unknown;
  /** Called when a lost connection is there again; what it returns is sent before what waits. */
  resume?: (connection: Connection) => unknown;
  /** Sent along where `send` is told to. */
  context?: unknown;
  protocols?: string | string[];
  reconnect?: boolean;
  maxTries?: number;
  /** Milliseconds. */
  firstDelay?: number;
  /** Milliseconds. */
  lastDelay?: number;
}

export interface Connection {
  readonly url: string;
  readonly isOpen: boolean;
  readonly waiting: number;
  send(payload: unknown, includeContext?: boolean): boolean;
  close(code?: number, reason?: string): void;
}

export interface StreamEvent {
  type: string;
  data: string;
  lastEventId: string;
}

export interface StreamOptions {
  onOpen?: (response: Response) => unknown;
  onMessage?: (data: any, event: StreamEvent) => unknown;
  onError?: (error: Error) => unknown;
  listeners?: Record<string, (data: any, event: StreamEvent) => unknown>;
  headers?: Record<string, string>;
  lastEventId?: string;
  reconnect?: boolean;
  /** Milliseconds. */
  firstDelay?: number;
  /** Milliseconds. */
  lastDelay?: number;
}

export interface Stream {
  readonly url: string;
  readonly isOpen: boolean;
  readonly lastEventId: string;
  close(): void;
}

export class EventParser {
  lastId: string;
  retry: number | null;
  push(text: string): StreamEvent[];
}

export interface Config {
  base: string;
  timeout: number;
  firstDelay: number;
  lastDelay: number;
  queue: number;
}

export interface Client {
  readonly api: Api;
  readonly config: Config;
  readonly events: Events;
  readonly sse: {
    connect(url: string, options?: StreamOptions): Stream;
    disconnect(url?: string | null): void;
    getConnection(url: string): Stream | null;
  };
  readonly state: State;
  readonly ws: {
    connect(url: string, options?: ConnectionOptions): Connection;
    send(payload: unknown, includeContext?: boolean): boolean;
    disconnect(url?: string | null): void;
    getConnection(url?: string | null): Connection | null;
  };
  readonly Result: typeof Result;
  readonly wrapApiResponse: typeof wrapApiResponse;
  init(options?: Partial<Config> & { state?: Record<string, unknown> }): Client;
  once(work: (client: Client) => unknown): void;
}

export const TB: Client;
export default TB;

declare global {
  interface Window {
    /** There with `pegboard.classic.js`. */
    TB: Client;
  }
}
